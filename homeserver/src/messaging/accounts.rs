//! Local users, their passwords and their devices.

mod password;

use ruma::{OwnedDeviceId, OwnedUserId, ServerName, UserId};
use rusqlite::{Connection, OptionalExtension};
use transport::{Database, DatabaseError, Host, MatrixError, Transaction, endpoints::m1::Devices};

use self::password::{Cost, hash_password, password_matches};
use super::moment::now_ms;
use crate::core::Core;

/// Bytes of entropy of an access token.
const TOKEN_BYTES: usize = 32;

/// Bytes of entropy of a device id that the server makes up.
const DEVICE_ID_BYTES: usize = 8;

/// Devices of one user; a further login is refused.
const MAX_DEVICES_PER_USER: i64 = 100;

/// A logged-in device, as its access token proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Device {
    /// Whose it is.
    pub(crate) user_id: OwnedUserId,
    /// Its id, unique per user.
    pub(crate) device_id: OwnedDeviceId,
}

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
    /// The user name is taken.
    #[error("the user name is taken")]
    Taken,
    /// No such user, or not the password.
    #[error("the user name or the password is wrong")]
    WrongPassword,
    /// The user has as many devices as a user may have.
    #[error("the user has {MAX_DEVICES_PER_USER} devices already")]
    TooManyDevices,
    /// The database refused.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl From<rusqlite::Error> for AccountError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error.into())
    }
}

impl From<AccountError> for MatrixError {
    fn from(error: AccountError) -> Self {
        use http::StatusCode;
        let message = error.to_string();
        match error {
            AccountError::Taken => Self::new(StatusCode::BAD_REQUEST, "M_USER_IN_USE", message),
            AccountError::WrongPassword => Self::forbidden(message),
            AccountError::TooManyDevices => {
                Self::new(StatusCode::BAD_REQUEST, "M_RESOURCE_LIMIT_EXCEEDED", message)
            }
            AccountError::Database(error) => error.into(),
        }
    }
}

/// The accounts of this server. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Accounts {
    host: Host,
    database: Database,
    password_cost: Cost,
}

impl Accounts {
    /// The accounts in the database of `core`.
    pub(crate) fn new(core: &Core) -> Self {
        let (host, database) = (core.host.clone(), core.database.clone());
        Self { host, database, password_cost: Cost::from(&core.config) }
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
        let hash = hash_password(password, self.host.random_bytes(), self.password_cost);
        let login = device.map(|choice| self.new_login(user_id, &choice));
        let display_name = login.as_ref().and_then(|(_, name)| name.clone());
        let (user, now) = (user_id.to_owned(), now_ms(&self.host));
        let login = login.map(|(login, _)| login);
        self.database
            .transaction(move |tx| {
                let added = tx.execute(
                    "INSERT INTO users (user_id, password_hash, created_ms) VALUES (?1, ?2, ?3)
                     ON CONFLICT (user_id) DO NOTHING",
                    (user.as_str(), &hash, now),
                )?;
                if added == 0 {
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
        let stored: Option<String> = self
            .database
            .call(move |connection| {
                connection
                    .query_row(
                        "SELECT password_hash FROM users WHERE user_id = ?1",
                        [user.as_str()],
                        |row| row.get(0),
                    )
                    .optional()
                    .map_err(AccountError::from)
            })
            .await?;
        if !stored.is_some_and(|hash| password_matches(password, &hash)) {
            return Err(AccountError::WrongPassword);
        }
        let (login, display_name) = self.new_login(user_id, &choice);
        let now = now_ms(&self.host);
        self.database
            .transaction(move |tx| {
                store_login(tx, &login, display_name.as_deref(), now)?;
                Ok(login)
            })
            .await
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

    /// The device that `access_token` belongs to, if it is anybody's.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn device_of(
        &self,
        access_token: &str,
    ) -> Result<Option<Device>, DatabaseError> {
        let hash = token_hash(access_token);
        self.database
            .call(move |connection| {
                let found: Option<(String, String)> = connection
                    .prepare_cached("SELECT user_id, device_id FROM devices WHERE token_hash = ?1")?
                    .query_row([hash.as_slice()], |row| Ok((row.get(0)?, row.get(1)?)))
                    .optional()?;
                Ok(found.and_then(|(user_id, device_id)| {
                    Some(Device { user_id: user_id.try_into().ok()?, device_id: device_id.into() })
                }))
            })
            .await
    }

    /// Ends the login of `device`; what is stored for it goes with it.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn logout(&self, device: &Device) -> Result<(), DatabaseError> {
        let Device { user_id, device_id } = device.clone();
        self.database
            .transaction(move |tx| {
                let device = (user_id.as_str(), device_id.as_str());
                for table in ["devices", "notifications", "client_transactions"] {
                    let sql = format!("DELETE FROM {table} WHERE user_id = ?1 AND device_id = ?2");
                    tx.execute(&sql, device)?;
                }
                Ok(())
            })
            .await
    }

    /// Ends every login of `user_id`.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn logout_all(&self, user_id: &UserId) -> Result<(), DatabaseError> {
        let user_id = user_id.to_owned();
        self.database
            .transaction(move |tx| {
                for table in ["devices", "notifications", "client_transactions"] {
                    let sql = format!("DELETE FROM {table} WHERE user_id = ?1");
                    tx.execute(&sql, [user_id.as_str()])?;
                }
                Ok(())
            })
            .await
    }

    /// The profile of `user_id`, as `GET /profile` answers it; `None` for nobody here.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn profile(
        &self,
        user_id: &UserId,
    ) -> Result<Option<serde_json::Value>, DatabaseError> {
        let user_id = user_id.to_owned();
        self.database
            .call(move |connection| profile(connection, &user_id).map_err(DatabaseError::from))
            .await
    }

    /// Changes what people call `user_id`.
    ///
    /// # Errors
    /// The database's.
    pub(crate) async fn set_display_name(
        &self,
        user_id: &UserId,
        name: Option<String>,
    ) -> Result<(), DatabaseError> {
        let user_id = user_id.to_owned();
        self.database
            .transaction(move |tx| {
                tx.execute(
                    "UPDATE users SET display_name = ?2 WHERE user_id = ?1",
                    (user_id.as_str(), name),
                )?;
                Ok(())
            })
            .await
    }
}

/// The devices of those of `users` that are of this server, in the order of their ids.
pub(crate) fn devices_of<'a>(
    connection: &Connection,
    server_name: &ServerName,
    users: impl IntoIterator<Item = &'a UserId>,
) -> rusqlite::Result<Devices> {
    let mut statement = connection
        .prepare_cached("SELECT device_id FROM devices WHERE user_id = ?1 ORDER BY device_id")?;
    let mut devices = Devices::new();
    for user in users.into_iter().filter(|user| user.server_name() == server_name) {
        let of_user = statement.query_map([user.as_str()], |row| row.get(0))?;
        devices.insert(user.to_string(), of_user.collect::<rusqlite::Result<_>>()?);
    }
    Ok(devices)
}

/// The profile of a local user, as `GET /profile` answers it; `None` for nobody here.
pub(crate) fn profile(
    connection: &Connection,
    user: &UserId,
) -> rusqlite::Result<Option<serde_json::Value>> {
    let name: Option<Option<String>> = connection
        .prepare_cached("SELECT display_name FROM users WHERE user_id = ?1")?
        .query_row([user.as_str()], |row| row.get(0))
        .optional()?;
    Ok(name.map(|name| match name {
        Some(name) => serde_json::json!({ "displayname": name }),
        None => serde_json::json!({}),
    }))
}

fn store_login(
    tx: &Transaction<'_>,
    login: &Login,
    display_name: Option<&str>,
    now_ms: i64,
) -> Result<(), AccountError> {
    let Device { user_id, device_id } = &login.device;
    let others: i64 = tx.query_row(
        "SELECT COUNT(*) FROM devices WHERE user_id = ?1 AND device_id <> ?2",
        (user_id.as_str(), device_id.as_str()),
        |row| row.get(0),
    )?;
    if others >= MAX_DEVICES_PER_USER {
        return Err(AccountError::TooManyDevices);
    }
    tx.execute(
        "INSERT INTO devices (user_id, device_id, display_name, token_hash, created_ms)
         VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (user_id, device_id) DO UPDATE SET token_hash = excluded.token_hash",
        (
            user_id.as_str(),
            device_id.as_str(),
            display_name,
            token_hash(&login.access_token).as_slice(),
            now_ms,
        ),
    )?;
    Ok(())
}

/// What is stored of a token. Tokens are random and long, so a fast hash keeps them secret.
fn token_hash(access_token: &str) -> [u8; 32] {
    *blake3::hash(access_token.as_bytes()).as_bytes()
}
