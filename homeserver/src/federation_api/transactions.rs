//! `PUT /_matrix/federation/v1/send/{txnId}`

use axum::{
    extract::State,
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use defects::{Defect, planted};
use ruma::api::federation::transactions::send_transaction_message::v1::Request;
use transport::{MatrixError, federation::Signed};

use super::FederationApi;
use crate::transaction::Edu;

/// Takes a transaction of the server that signed the request; what its body says of its origin
/// counts for nothing, but must agree.
pub(super) async fn send(
    State(api): State<FederationApi>,
    Signed { origin, request }: Signed<Request>,
) -> Result<Response, MatrixError> {
    if request.origin != origin {
        let said = request.origin;
        return Err(MatrixError::forbidden(format!(
            "{origin} sent a transaction whose origin is {said}"
        )));
    }
    let incoming = api.incoming.clone();
    let edus = edus(&request);
    // An origin that loses patience finds the answer when it comes again, instead of having
    // everything begun anew.
    let receive = async move {
        let id = request.transaction_id.as_str();
        incoming.receive(&origin, id, &request.pdus, edus).await
    };
    if planted(Defect::TransactionIsAnsweredBeforeItIsDurable) {
        api.rooms().core().host.spawn(async move { drop(receive.await) });
        return Ok(([(CONTENT_TYPE, "application/json")], "{\"pdus\":{}}").into_response());
    }
    let answer = api.finish(receive).await?;
    Ok(([(CONTENT_TYPE, "application/json")], answer).into_response())
}

/// Returns the EDUs of a transaction; what is none counts as one of no known type.
fn edus(request: &Request) -> Vec<Edu> {
    let unknown = || Edu { kind: String::new(), content: serde_json::Value::Null };
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|_| unknown());
    request.edus.iter().map(|edu| read(edu.json().get())).collect()
}
