//! Passwords are kept as Argon2id hashes.

use argon2::{
    Algorithm, Argon2, Block, Params, PasswordHash, Version,
    password_hash::{Output, Salt, SaltString},
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

/// The memory in which a hash is computed. It is kept for the next one: the allocators of threads that are
/// done would each keep as much.
pub(super) type Memory = Vec<Block>;

/// Returns the PHC string to store for `password`.
pub(super) fn hash_password(
    password: &str,
    salt: [u8; 16],
    cost: Cost,
    memory: &mut Memory,
) -> String {
    let Cost { memory_kib, passes } = cost;
    let params = Params::new(memory_kib, passes, LANES, None).expect("the costs were checked");
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    compute(&argon2, password, &salt, &mut output, memory)
        .expect("a password within the request limit can be hashed");
    let salt = SaltString::encode_b64(&salt).expect("a salt of 16 bytes is in range");
    PasswordHash {
        algorithm: Algorithm::Argon2id.ident(),
        version: Some(Version::V0x13.into()),
        params: (&params).try_into().expect("parameters have a text"),
        salt: Some(salt.as_salt()),
        hash: Some(Output::new(&output).expect("an output of the usual length is one")),
    }
    .to_string()
}

/// Returns whether `password` is the one that `stored` was made of.
pub(super) fn password_matches(password: &str, stored: &str, memory: &mut Memory) -> bool {
    recomputed(password, stored, memory).unwrap_or(false)
}

/// Returns the same; `None` if nothing can be made of what is stored. The costs and the salt come from there.
fn recomputed(password: &str, stored: &str, memory: &mut Memory) -> Option<bool> {
    let stored = PasswordHash::new(stored).ok()?;
    let (expected, salt) = (stored.hash?, stored.salt?);
    let algorithm = stored.algorithm.try_into().ok()?;
    let version = stored.version.and_then(|version| Version::try_from(version).ok())?;
    let argon2 = Argon2::new(algorithm, version, Params::try_from(&stored).ok()?);
    let mut salt_buffer = [0; Salt::MAX_LENGTH];
    let salt = salt.decode_b64(&mut salt_buffer).ok()?;
    let mut output = vec![0; expected.len()];
    compute(&argon2, password, salt, &mut output, memory).ok()?;
    // This comparison takes the same time wherever they differ.
    Some(Output::new(&output).ok()? == expected)
}

fn compute(
    argon2: &Argon2<'_>,
    password: &str,
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Memory,
) -> argon2::Result<()> {
    memory.resize(argon2.params().block_count(), Block::default());
    argon2.hash_password_into_with_memory(password.as_bytes(), salt, output, memory)
}

#[cfg(test)]
mod tests {
    use argon2::PasswordHasher;

    use super::*;

    #[test]
    fn only_the_right_password_matches() {
        let (cost, memory) = (Cost { memory_kib: 64, passes: 2 }, &mut Memory::new());
        let stored = hash_password("correct horse", [7; 16], cost, memory);
        assert!(stored.starts_with("$argon2id$v=19$m=64,t=2,p=1$"), "{stored}");
        assert!(password_matches("correct horse", &stored, memory));
        assert!(!password_matches("battery staple", &stored, memory));
        assert!(!stored.contains("horse"));
    }

    #[test]
    fn hashes_are_those_of_everybody_whatever_was_computed_before() {
        let (cost, memory) = (Cost { memory_kib: 64, passes: 2 }, &mut Memory::new());
        hash_password("another", [1; 16], Cost { memory_kib: 128, passes: 1 }, memory);
        let params = Params::new(64, 2, LANES, None).unwrap();
        let salt = SaltString::encode_b64(&[7; 16]).unwrap();
        let theirs = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password(b"correct horse", &salt)
            .unwrap()
            .to_string();
        assert_eq!(hash_password("correct horse", [7; 16], cost, memory), theirs);
        assert!(!password_matches("correct horse", "$argon2id$v=19$m=64", memory));
    }
}
