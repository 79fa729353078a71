//! The blocks of a pcapng file: a section, an interface, names of addresses, packets.

use std::collections::BTreeMap;

use crate::words::clean;

const SECTION: u32 = 0x0A0D_0D0A;
const INTERFACE: u32 = 1;
const NAMES: u32 = 4;
const PACKET: u32 = 6;
/// By which a reader tells how numbers are stored.
const BYTE_ORDER: u32 = 0x1A2B_3C4D;
/// Ethernet.
const LINK_TYPE: u16 = 1;
/// Options: a comment; an interface's name; the resolution of its times.
const COMMENT: u16 = 1;
const INTERFACE_NAME: u16 = 2;
const RESOLUTION: u16 = 9;
/// Times are nanoseconds: ten to the power of minus nine.
const NANOSECONDS: u8 = 9;

/// Returns what a file begins with.
pub(super) fn head(machine: &str, addresses: &BTreeMap<&str, [u8; 4]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut section = BYTE_ORDER.to_le_bytes().to_vec();
    section.extend([1, 0, 0, 0]);
    section.extend(u64::MAX.to_le_bytes());
    block(&mut bytes, SECTION, &section);

    let mut interface = LINK_TYPE.to_le_bytes().to_vec();
    interface.extend([0, 0]);
    interface.extend(0_u32.to_le_bytes());
    option(&mut interface, INTERFACE_NAME, clean(machine).as_bytes());
    option(&mut interface, RESOLUTION, &[NANOSECONDS]);
    option(&mut interface, 0, &[]);
    block(&mut bytes, INTERFACE, &interface);

    let mut names = Vec::new();
    for (name, address) in addresses {
        let mut record = address.to_vec();
        record.extend(clean(name).replace('\0', " ").as_bytes());
        record.push(0);
        option(&mut names, 1, &record);
    }
    option(&mut names, 0, &[]);
    block(&mut bytes, NAMES, &names);
    bytes
}

/// Appends a packet that was seen at `at`, in nanoseconds since 1970.
pub(super) fn packet(bytes: &mut Vec<u8>, at: u64, packet: &[u8], comment: &str) {
    let length = u32::try_from(packet.len()).unwrap_or(u32::MAX).to_le_bytes();
    let [high, low] = [at >> 32, at & 0xFFFF_FFFF].map(|half| u32::try_from(half).unwrap_or(0));
    let mut body = 0_u32.to_le_bytes().to_vec();
    body.extend(high.to_le_bytes());
    body.extend(low.to_le_bytes());
    body.extend(length);
    body.extend(length);
    body.extend(packet);
    pad(&mut body);
    option(&mut body, COMMENT, comment.as_bytes());
    option(&mut body, 0, &[]);
    block(bytes, PACKET, &body);
}

/// Appends a block, which says its length at both ends. Everything in it is padded already.
fn block(bytes: &mut Vec<u8>, kind: u32, body: &[u8]) {
    /// Kind, length, and length again.
    const AROUND: usize = 12;
    let length = u32::try_from(body.len() + AROUND).unwrap_or(u32::MAX).to_le_bytes();
    bytes.extend(kind.to_le_bytes());
    bytes.extend(length);
    bytes.extend(body);
    bytes.extend(length);
}

/// Appends an option, or a record of names, which looks the same.
fn option(bytes: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    bytes.extend(code.to_le_bytes());
    bytes.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(value);
    pad(bytes);
}

/// Pads to 32 bits; whatever is before is padded, too.
fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}
