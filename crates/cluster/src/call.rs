//! What all calls have in common that write to the API server or prepare it.

use std::time::Duration;

use kube::core::Status;
use tokio::time::timeout;

/// The longest time for one call. A leader that has lost its lease stops before the lease can be another's, and so must
/// the calls that it has begun.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(4);

/// Waits for a call, within its time limit.
///
/// # Errors
/// What `failed` makes of an error, and `unavailable` of the lack of an answer.
pub(crate) async fn limited<T, E>(
    call: impl Future<Output = Result<T, kube::Error>>,
    failed: impl FnOnce(&kube::Error) -> E,
    unavailable: impl FnOnce(String) -> E,
) -> Result<T, E> {
    match timeout(CALL_TIMEOUT, call).await {
        Ok(answer) => answer.map_err(|error| failed(&error)),
        Err(_) => {
            let seconds = CALL_TIMEOUT.as_secs();
            let message = format!("no answer of the API server within {seconds} s");
            Err(unavailable(message))
        }
    }
}

/// Whether the API server cannot take a request now, and may take the same one later. Some of its answers 500 are about
/// the request, whatever the code says.
pub(crate) fn may_pass(answer: &Status) -> bool {
    let about_request = [
        "failed to create typed patch object",
        "request is too large",
    ];
    let is_about_request = || {
        let mut texts = about_request.iter();
        texts.any(|text| answer.message.contains(text))
    };
    match answer.code {
        500 => !is_about_request(),
        code => code == 429 || code > 500,
    }
}
