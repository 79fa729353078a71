//! `Authorization` headers: what is read can be written and read again, and is what ruma reads.
#![no_main]

use http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION};
use libfuzzer_sys::fuzz_target;
use ruma::api::federation::authentication::XMatrix;
use transport::federation::claims;

/// Bytes of a message that tells a stranger what is wrong with its own.
const MAX_MESSAGE: usize = 1024;

fuzz_target!(|lines: &[u8]| {
    let mut headers = HeaderMap::new();
    for line in lines.split(|byte| *byte == b'\n').take(8) {
        let Ok(value) = HeaderValue::from_bytes(line) else { return };
        headers.append(AUTHORIZATION, value);
    }
    let read = match claims(&headers) {
        Ok(read) => read,
        Err(refusal) => {
            assert_eq!(refusal.status, StatusCode::UNAUTHORIZED);
            assert!(refusal.message.len() <= MAX_MESSAGE, "{}", refusal.message);
            return;
        }
    };
    assert!(!read.is_empty() && read.iter().all(|claim| claim.origin == read[0].origin));
    for claim in &read {
        let written = HeaderValue::from(claim);
        let again = claims(&HeaderMap::from_iter([(AUTHORIZATION, written.clone())]))
            .expect("what was written can be read");
        assert_eq!(parts(&again[0]), parts(claim), "{written:?}");
        let theirs = XMatrix::try_from(&written).expect("ruma reads what ruma writes");
        assert_eq!(parts(&theirs), parts(claim), "{written:?}");
    }
});

/// Returns what credentials say.
fn parts(claim: &XMatrix) -> (String, Option<String>, String, Vec<u8>) {
    (
        claim.origin.to_string(),
        claim.destination.as_ref().map(ToString::to_string),
        claim.key.to_string(),
        claim.sig.as_bytes().to_vec(),
    )
}
