//! Mail that only its recipient reads: HPKE (RFC 9180) in its base mode, with X25519, HKDF-SHA256 and
//! ChaCha20-Poly1305.

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, aead::ChaCha20Poly1305, kdf::HkdfSha256,
    kem::X25519HkdfSha256, single_shot_open, single_shot_seal_with_rng,
};
use rand_chacha::{ChaCha20Rng, rand_core::SeedableRng};

/// Bytes of a public key, and of what stands for the ephemeral one (RFC 9180, section 7.1).
pub const SEALING_KEY_BYTES: usize = 32;

/// What the keys of one mail are derived for (RFC 9180, section 5.1).
const INFO: &[u8] = b"org.fedsim.sealed.1";

type X25519 = X25519HkdfSha256;

/// The key that opens what is sealed to this server. Cheap to clone; never shown.
#[derive(Clone)]
pub struct SealingKey {
    seed: [u8; 32],
    private: <X25519 as Kem>::PrivateKey,
    public: [u8; SEALING_KEY_BYTES],
}

/// What was sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The ephemeral public key.
    pub encapsulated_key: [u8; SEALING_KEY_BYTES],
    /// The text, encrypted, and its tag.
    pub ciphertext: Vec<u8>,
}

/// Why something is not sealed or opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// What the recipient publishes is no X25519 key.
    #[error("the recipient's sealing key is no X25519 key")]
    Recipient,
    /// It was sealed to another key, for something else, or was changed.
    #[error("it was sealed to another key or was changed")]
    Open,
}

impl SealingKey {
    /// Returns the key that is made of `seed`, which must be secret and of full entropy (RFC 9180, section
    /// 7.1.3, `DeriveKeyPair`).
    pub fn from_seed(seed: [u8; 32]) -> Self {
        let (private, public) = X25519::derive_keypair(&seed);
        Self { seed, private, public: public.to_bytes().into() }
    }

    /// Returns the public half.
    pub fn public(&self) -> [u8; SEALING_KEY_BYTES] {
        self.public
    }

    /// Seals `text` to the key of another server. `about` is not sealed, but must be the same when it is
    /// opened.
    ///
    /// The ephemeral key is made of a secret of this server and of all that is sealed, so that the same
    /// mail is sealed the same way again: a relay that has it already can tell.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn seal(
        &self,
        to: &[u8; SEALING_KEY_BYTES],
        about: &[u8],
        text: &[u8],
    ) -> Result<Sealed, SealError> {
        let recipient = <X25519 as Kem>::PublicKey::from_bytes(to);
        let recipient = recipient.map_err(|_| SealError::Recipient)?;
        let mut hasher = blake3::Hasher::new_keyed(&blake3::derive_key(
            "org.fedsim.sealed ephemeral key",
            &self.seed,
        ));
        for part in [to.as_slice(), about, text] {
            hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes());
            hasher.update(part);
        }
        let mut random = ChaCha20Rng::from_seed(*hasher.finalize().as_bytes());
        let (key, ciphertext) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519>(
            &OpModeS::Base,
            &recipient,
            INFO,
            text,
            about,
            &mut random,
        )
        .map_err(|_| SealError::Recipient)?;
        Ok(Sealed { encapsulated_key: key.to_bytes().into(), ciphertext })
    }

    /// Returns the text that was sealed to this key.
    ///
    /// # Errors
    /// See [`SealError`].
    pub fn open(&self, about: &[u8], sealed: &Sealed) -> Result<Vec<u8>, SealError> {
        let key = <X25519 as Kem>::EncappedKey::from_bytes(&sealed.encapsulated_key);
        single_shot_open::<ChaCha20Poly1305, HkdfSha256, X25519>(
            &OpModeR::Base,
            &self.private,
            &key.map_err(|_| SealError::Open)?,
            INFO,
            &sealed.ciphertext,
            about,
        )
        .map_err(|_| SealError::Open)
    }
}

impl std::fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealingKey").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> SealingKey {
        SealingKey::from_seed([byte; 32])
    }

    #[test]
    fn only_the_recipient_opens_it_and_only_for_what_it_is_about() {
        let (a, b) = (key(1), key(2));
        let sealed = a.seal(&b.public(), b"a to b", b"hello").unwrap();
        assert_eq!(b.open(b"a to b", &sealed).unwrap(), b"hello");
        assert_eq!(a.open(b"a to b", &sealed), Err(SealError::Open));
        assert_eq!(b.open(b"c to b", &sealed), Err(SealError::Open));
        let mut changed = sealed;
        changed.ciphertext[0] ^= 1;
        assert_eq!(b.open(b"a to b", &changed), Err(SealError::Open));
    }

    #[test]
    fn the_same_mail_is_sealed_the_same_way_and_no_other_with_its_key() {
        let (a, b) = (key(1), key(2));
        let sealed = |by: &SealingKey, to: &SealingKey, about: &[u8], text: &[u8]| {
            by.seal(&to.public(), about, text).unwrap()
        };
        let first = sealed(&a, &b, b"x", b"hello");
        assert_eq!(sealed(&a, &b, b"x", b"hello"), first);
        for other in [
            sealed(&a, &b, b"x", b"hullo"),
            sealed(&a, &b, b"y", b"hello"),
            sealed(&a, &a, b"x", b"hello"),
            sealed(&b, &b, b"x", b"hello"),
        ] {
            assert_ne!(other.encapsulated_key, first.encapsulated_key);
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert_eq!(key(1).seal(&[0; 32], b"", b""), Err(SealError::Recipient));
    }
}
