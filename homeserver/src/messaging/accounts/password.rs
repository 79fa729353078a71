//! Passwords are kept as Argon2id hashes.

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::SaltString,
};

/// Memory of one hash, in KiB. Low, so that a thousand simulated users log in at once; the cost
/// stands in each stored hash, so raising it here is enough.
const MEMORY_KIB: u32 = 256;

/// Passes over that memory.
const PASSES: u32 = 1;

/// Lanes of that memory.
const LANES: u32 = 1;

/// The PHC string to store for `password`.
pub(super) fn hash_password(password: &str, salt: [u8; 16]) -> String {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the costs are in range");
    let salt = SaltString::encode_b64(&salt).expect("a salt of 16 bytes is in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes(), &salt)
        .expect("a password within the request limit can be hashed")
        .to_string()
}

/// Whether `password` is the one that `stored` was made of.
pub(super) fn password_matches(password: &str, stored: &str) -> bool {
    PasswordHash::new(stored).is_ok_and(|stored| {
        // The costs and the salt come from the stored string.
        Argon2::default().verify_password(password.as_bytes(), &stored).is_ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let stored = hash_password("correct horse", [7; 16]);
        assert!(password_matches("correct horse", &stored));
        assert!(!password_matches("battery staple", &stored));
        assert!(!stored.contains("horse"));
    }
}
