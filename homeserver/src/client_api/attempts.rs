//! How often one may try: wrong passwords by user and by address, new accounts by address, and requests
//! by user.

use std::time::Duration;

use axum::{extract::FromRequestParts, http::request::Parts};
use ruma::{OwnedUserId, UserId};
use transport::{
    MatrixError,
    http::Peer,
    rates::{Rate, Rates},
};

use crate::Config;

/// How many users' worth of wrong passwords one address may try: several people may share it.
const USERS_OF_ONE_ADDRESS: u32 = 4;

/// The time within which one address may make as many accounts as are allowed at once.
const REGISTRATION_PERIOD: Duration = Duration::from_hours(1);

/// What was tried.
pub(super) struct Attempts {
    by_user: Rates<OwnedUserId>,
    by_address: Rates<Peer>,
    registrations: Rates<Peer>,
    requests: Rates<OwnedUserId>,
}

/// An attempt to log in. It counts unless it is told to be right.
pub(super) struct Attempt<'a> {
    attempts: &'a Attempts,
    user: OwnedUserId,
    address: Option<Peer>,
}

impl Attempts {
    pub(super) fn new(config: &Config) -> Self {
        let of_user = Rate { burst: config.wrong_passwords, pause: config.wrong_password_pause };
        let of_address = Rate {
            burst: of_user.burst.saturating_mul(USERS_OF_ONE_ADDRESS),
            pause: of_user.pause / USERS_OF_ONE_ADDRESS,
        };
        let burst = config.registrations_per_address;
        let registrations = Rate { burst, pause: REGISTRATION_PERIOD / burst.max(1) };
        Self {
            by_user: Rates::new(of_user),
            by_address: Rates::new(of_address),
            registrations: Rates::new(registrations),
            requests: Rates::new(Rate::a_second(config.requests_per_user)),
        }
    }

    /// Counts a request of `user`, who is logged in.
    ///
    /// # Errors
    /// 429: the user makes too many.
    pub(super) fn request(&self, user: &OwnedUserId) -> Result<(), MatrixError> {
        let too_many = |wait| MatrixError::limit_exceeded("you make too many requests", wait);
        self.requests.take(user).map_err(too_many)
    }

    /// Counts an attempt to log in as `user`.
    ///
    /// # Errors
    /// 429: too many were wrong.
    pub(super) fn login(
        &self,
        user: &UserId,
        address: Option<Peer>,
    ) -> Result<Attempt<'_>, MatrixError> {
        if let Some(address) = &address {
            self.by_address.take(address).map_err(too_often)?;
        }
        let user = user.to_owned();
        if let Err(wait) = self.by_user.take(&user) {
            if let Some(address) = &address {
                self.by_address.give_back(address);
            }
            return Err(too_often(wait));
        }
        Ok(Attempt { attempts: self, user, address })
    }

    /// Counts an account to be made.
    ///
    /// # Errors
    /// 429: the address makes too many.
    pub(super) fn registration(&self, address: Option<&Peer>) -> Result<(), MatrixError> {
        address.map_or(Ok(()), |address| self.registrations.take(address)).map_err(too_often)
    }
}

impl Attempt<'_> {
    /// Says that the password was the right one.
    pub(super) fn was_right(self) {
        self.attempts.by_user.give_back(&self.user);
        if let Some(address) = &self.address {
            self.attempts.by_address.give_back(address);
        }
    }
}

/// Returns 429 `M_LIMIT_EXCEEDED`.
pub(super) fn too_often(wait: Duration) -> MatrixError {
    MatrixError::limit_exceeded("too many attempts; wait before the next one", wait)
}

/// The address that a request comes from, if it came through a server.
pub(super) struct AddressOf(pub(super) Option<Peer>);

impl<S: Sync> FromRequestParts<S> for AddressOf {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self(parts.extensions.get().cloned()))
    }
}
