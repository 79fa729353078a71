//! Passwords are kept as Argon2id hashes.

use argon2::{
    Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version,
    password_hash::SaltString,
};

use crate::Config;

/// Lanes of a hash's memory.
const LANES: u32 = 1;

/// What one hash costs. It stands in each stored hash, so that those of another cost still match.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cost {
    memory_kib: u32,
    passes: u32,
}

impl From<&Config> for Cost {
    fn from(config: &Config) -> Self {
        Self { memory_kib: config.password_memory_kib, passes: config.password_passes }
    }
}

/// Returns the PHC string to store for `password`.
pub(super) fn hash_password(password: &str, salt: [u8; 16], cost: Cost) -> String {
    let Cost { memory_kib, passes } = cost;
    let params = Params::new(memory_kib, passes, LANES, None).expect("the costs were checked");
    let salt = SaltString::encode_b64(&salt).expect("a salt of 16 bytes is in range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password(password.as_bytes(), &salt)
        .expect("a password within the request limit can be hashed")
        .to_string()
}

/// Returns whether `password` is the one that `stored` was made of.
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
        let cost = Cost { memory_kib: 64, passes: 2 };
        let stored = hash_password("correct horse", [7; 16], cost);
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{stored}");
        assert!(password_matches("correct horse", &stored));
        assert!(!password_matches("battery staple", &stored));
        assert!(!stored.contains("horse"));
    }
}
