//! Local users, their passwords and their devices.

mod hashing;
mod password;

use ruma::{OwnedDeviceId, OwnedUserId, ServerName, UserId};
use transport::{Database, DatabaseError, Host, Transaction};

use self::{hashing::Hashing, password::Cost};
use super::{
    edus::Edus,
    keys,
    notifications::{News, Topic},
};
use crate::{
    core::{Core, moment::now_ms},
    store::{
        StoreError,
        accounts::{self, Authority, Device, Profile, TokenHash},
        device_keys, to_device,
    },
};

/// Bytes of entropy of an access token.
const TOKEN_BYTES: usize = 32;

/// Bytes of entropy of a device id that the server makes up.
const DEVICE_ID_BYTES: usize = 8;

/// Devices of one user; a further login is refused.
const MAX_DEVICES_PER_USER: i64 = 100;

/// A new login: the device and the only copy of its token.
#[derive(Debug)]
pub(crate) struct Login {
    pub(crate) device: Device,
    pub(crate) access_token: String,
}

/// What a client says about its device when it logs in.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeviceChoice {
    /// The id it wants; an existing device of that id gets a new token.
    pub(crate) device_id: Option<OwnedDeviceId>,
    /// What people call it.
    pub(crate) display_name: Option<String>,
}

/// Why an account was not made or not opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccountError {
    /// The text is no user name.
    #[error("{0}")]
    InvalidName(String),
    /// There is no such user here.
    #[error("there is no such user here")]
    Unknown,
    /// The account was ended.
    #[error("the account was deactivated")]
    Deactivated,
    /// The user name is taken.
    #[error("the user name is taken")]
    Taken,
    /// No such user, or not the password.
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// The user has as many devices as a user may have.
    #[error("the user already has {MAX_DEVICES_PER_USER} devices")]
    TooManyDevices,
    /// Too many others log in just now.
    #[error("too many others log in just now; try again")]
    Busy,
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<DatabaseError> for AccountError {
    fn from(error: DatabaseError) -> Self {
        Self::Store(error.into())
    }
}

/// The accounts of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    host: Host,
    database: Database,
    hashing: Hashing,
    /// Rung when a token ends.
    news: News,
    /// Who is told of devices that are gone.
    edus: Edus,
}

impl Accounts {
    /// Returns the accounts in the database of `core`; who waits in their name hears of it from
    /// `news` when a token ends.
    pub(crate) fn new(core: &Core, news: News, edus: Edus) -> Self {
        let (host, database) = (core.host.clone(), core.database.clone());
        let hashing = Hashing::new(host.clone(), Cost::from(&core.config));
        Self { host, database, hashing, news, edus }
    }

    /// Makes the account `user_id`; with a first device if `device` says so.
    ///
    /// # Errors
    /// [`AccountError::Taken`], or the database's.
    pub(crate) async fn register(
        &self,
        user_id: &UserId,
        password: &str,
        device: Option<DeviceChoice>,
    ) -> Result<Option<Login>, AccountError> {
        let hash = self.hashing.hash(password).await?;
        let login = device.map(|choice| self.new_login(user_id, &choice));
        let display_name = login.as_ref().and_then(|(_, name)| name.clone());
        let (user, now) = (user_id.to_owned(), now_ms(&self.host));
        let login = login.map(|(login, _)| login);
        self.database
            .transaction(move |tx| {
                if !accounts::add(tx, &user, &hash, now)? {
                    return Err(AccountError::Taken);
                }
                if let Some(login) = &login {
                    store_login(tx, login, display_name.as_deref(), now)?;
                }
                Ok(login)
            })
            .await
    }

    /// Logs `user_id` in with its password.
    ///
    /// # Errors
    /// [`AccountError::WrongPassword`], [`AccountError::TooManyDevices`], or the database's.
    pub(crate) async fn login(
        &self,
        user_id: &UserId,
        password: &str,
        choice: DeviceChoice,
    ) -> Result<Login, AccountError> {
        let user = user_id.to_owned();
        let stored = self.database.call(move |db| accounts::password_hash(db, &user)).await?;
        if !self.hashing.matches(password, stored).await? {
            return Err(AccountError::WrongPassword);
        }
        let (login, display_name) = self.new_login(user_id, &choice);
        let (now, news) = (now_ms(&self.host), self.news.clone());
        self.database
            .transaction(move |tx| {
                if accounts::is_deactivated(tx, &login.device.user_id)? {
                    return Err(AccountError::Deactivated);
                }
                store_login(tx, &login, display_name.as_deref(), now)?;
                // The device may have had another token before.
                news.ring([Topic::User(login.device.user_id.clone())]);
                Ok(login)
            })
            .await
    }

    /// Returns whether this is the password of `user_id`.
    ///
    /// # Errors
    /// [`AccountError::Busy`], or the database's.
    pub(crate) async fn is_password(
        &self,
        user_id: &UserId,
        password: &str,
    ) -> Result<bool, AccountError> {
        let user = user_id.to_owned();
        let stored = self.database.call(move |db| accounts::password_hash(db, &user)).await?;
        self.hashing.matches(password, stored).await
    }

    fn new_login(&self, user_id: &UserId, choice: &DeviceChoice) -> (Login, Option<String>) {
        let device_id = choice
            .device_id
            .clone()
            .unwrap_or_else(|| self.host.random_token(DEVICE_ID_BYTES).to_uppercase().into());
        let device = Device { user_id: user_id.to_owned(), device_id };
        let login = Login { device, access_token: self.host.random_token(TOKEN_BYTES) };
        (login, choice.display_name.clone())
    }

    /// Returns the device that `access_token` belongs to, if it is anybody's.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn holder_of(
        &self,
        access_token: &str,
    ) -> Result<Option<Authority>, StoreError> {
        let token = token_hash(access_token);
        let device = self.database.call(move |db| accounts::device_with(db, &token)).await?;
        Ok(device.map(|device| Authority { device, token }))
    }

    /// Ends the login of `device`; what is stored for it goes with it.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn logout(&self, device: &Device) -> Result<(), StoreError> {
        self.forget(device.user_id.clone(), vec![device.device_id.clone()]).await
    }

    /// Forgets devices of `user_id`, and ends their logins.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn forget(
        &self,
        user_id: OwnedUserId,
        devices: Vec<OwnedDeviceId>,
    ) -> Result<(), StoreError> {
        let (news, edus) = (self.news.clone(), self.edus.clone());
        self.database
            .transaction(move |tx| {
                let device = |device_id| Device { user_id: user_id.clone(), device_id };
                let devices: Vec<_> = devices.into_iter().map(device).collect();
                keys::forget_devices(tx, &edus, &devices)?;
                news.ring([Topic::User(user_id)]);
                Ok(())
            })
            .await
    }

    /// Changes what people call a device, and tells whoever has seen keys of it; returns whether there is
    /// one.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn rename_device(
        &self,
        device: Device,
        name: Option<String>,
    ) -> Result<bool, StoreError> {
        let edus = self.edus.clone();
        self.database
            .transaction(move |tx| {
                let renamed = accounts::rename_device(tx, &device, name.as_deref())?;
                if renamed && device_keys::exist(tx, &device)? {
                    edus.devices_changed(tx, &device.user_id, keys::about(tx, &device)?)?;
                }
                Ok(renamed)
            })
            .await
    }

    /// Ends every login of `user_id`.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn logout_all(&self, user_id: &UserId) -> Result<(), StoreError> {
        let (user_id, news, edus) = (user_id.to_owned(), self.news.clone(), self.edus.clone());
        self.database
            .transaction(move |tx| {
                forget_all(tx, &edus, &user_id)?;
                news.ring([Topic::User(user_id)]);
                Ok(())
            })
            .await
    }

    /// Gives `user_id` a new password, and ends every login. An account that was ended is active again.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], or the database's.
    pub(crate) async fn set_password(
        &self,
        user_id: &UserId,
        password: &str,
    ) -> Result<(), AccountError> {
        let hash = self.hashing.hash(password).await?;
        let set =
            move |tx: &Transaction<'_>, user: &UserId| accounts::set_password_hash(tx, user, &hash);
        self.end_logins_after(user_id, set).await
    }

    /// Gives the user of `device` a new password; ends every login but this one if `others` says so.
    ///
    /// # Errors
    /// [`AccountError::Busy`], or the database's.
    pub(crate) async fn change_password(
        &self,
        device: &Device,
        password: &str,
        others: bool,
    ) -> Result<(), AccountError> {
        let hash = self.hashing.hash(password).await?;
        let (device, news, edus) = (device.clone(), self.news.clone(), self.edus.clone());
        self.database
            .transaction(move |tx| {
                let user = &device.user_id;
                if !accounts::set_password_hash(tx, user, &hash)? {
                    return Err(AccountError::Unknown);
                }
                let all = to_device::devices(tx, user)?.into_iter();
                let ended = all.filter(|id| others && *id != device.device_id);
                let ended: Vec<_> =
                    ended.map(|device_id| Device { user_id: user.clone(), device_id }).collect();
                keys::forget_devices(tx, &edus, &ended)?;
                news.ring([Topic::User(user.clone())]);
                Ok(())
            })
            .await
    }

    /// Ends the account `user_id`, and every login.
    ///
    /// # Errors
    /// [`AccountError::Unknown`], or the database's.
    pub(crate) async fn deactivate(&self, user_id: &UserId) -> Result<(), AccountError> {
        self.end_logins_after(user_id, accounts::deactivate).await
    }

    /// Changes an account, and ends every login, in one transaction.
    async fn end_logins_after(
        &self,
        user_id: &UserId,
        change: impl FnOnce(&Transaction<'_>, &UserId) -> Result<bool, StoreError> + Send + 'static,
    ) -> Result<(), AccountError> {
        let (user_id, news, edus) = (user_id.to_owned(), self.news.clone(), self.edus.clone());
        self.database
            .transaction(move |tx| {
                if !change(tx, &user_id)? {
                    return Err(AccountError::Unknown);
                }
                forget_all(tx, &edus, &user_id)?;
                news.ring([Topic::User(user_id)]);
                Ok(())
            })
            .await
    }

    /// Returns whether the name is nobody's.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn is_free(&self, user_id: &UserId) -> Result<bool, StoreError> {
        Ok(self.profile(user_id).await?.is_none())
    }

    /// Returns the profile of `user_id`; `None` for nobody here.
    ///
    /// # Errors
    /// The store's.
    pub(crate) async fn profile(&self, user_id: &UserId) -> Result<Option<Profile>, StoreError> {
        let user_id = user_id.to_owned();
        self.database.call(move |db| accounts::profile(db, &user_id)).await
    }
}

/// Returns the id of a user of `server` to be made, with `name` before its colon.
///
/// # Errors
/// [`AccountError::InvalidName`].
pub(crate) fn user_id(name: &str, server: &ServerName) -> Result<OwnedUserId, AccountError> {
    let invalid = |reason: &dyn std::fmt::Display| AccountError::InvalidName(reason.to_string());
    if name.starts_with('@') || name.contains(':') {
        return Err(invalid(&"a user name cannot contain `@` or `:`"));
    }
    let user_id = UserId::parse_with_server_name(name, server).map_err(|error| invalid(&error))?;
    user_id.validate_strict().map_err(|error| invalid(&error))?;
    Ok(user_id)
}

/// Forgets every device of a user, and tells whoever has seen keys of them.
fn forget_all(tx: &Transaction<'_>, edus: &Edus, user: &UserId) -> Result<(), StoreError> {
    let devices = to_device::devices(tx, user)?.into_iter();
    let devices: Vec<_> =
        devices.map(|device_id| Device { user_id: user.to_owned(), device_id }).collect();
    keys::forget_devices(tx, edus, &devices)?;
    accounts::forget_devices(tx, user)
}

fn store_login(
    tx: &Transaction<'_>,
    login: &Login,
    display_name: Option<&str>,
    now_ms: i64,
) -> Result<(), AccountError> {
    if accounts::count_others(tx, &login.device)? >= MAX_DEVICES_PER_USER {
        return Err(AccountError::TooManyDevices);
    }
    let token = token_hash(&login.access_token);
    Ok(accounts::put_device(tx, &login.device, display_name, &token, now_ms)?)
}

/// Returns what is stored of a token. Tokens are random and long, so a fast hash keeps them secret.
fn token_hash(access_token: &str) -> TokenHash {
    *blake3::hash(access_token.as_bytes()).as_bytes()
}
