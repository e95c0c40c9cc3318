//! The body of an answer, which a fault can cut in the middle.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Why a request gets no answer, or no whole one: a fault says so, or the client went away.
#[derive(Debug, thiserror::Error)]
#[error("the connection is cut")]
pub(super) struct Cut;

/// Bytes that are there already.
pub(super) struct AnswerBody {
    bytes: Bytes,
    /// `Content-Length`.
    announced: u64,
    end: End,
}

enum End {
    Whole,
    /// To be cut once what there is has been sent.
    Cut,
    CutNow,
}

impl AnswerBody {
    /// Sends half of the body that it announces, and then nothing more.
    pub fn truncate(&mut self) {
        self.bytes.truncate(self.bytes.len() / 2);
        self.end = End::Cut;
    }
}

impl From<Bytes> for AnswerBody {
    fn from(bytes: Bytes) -> Self {
        Self { announced: u64::try_from(bytes.len()).unwrap_or(u64::MAX), bytes, end: End::Whole }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        if !self.bytes.is_empty() {
            return Poll::Ready(Some(Ok(Frame::data(std::mem::take(&mut self.bytes)))));
        }
        match self.end {
            End::Whole => Poll::Ready(None),
            End::Cut => {
                // The server writes out what it has when there is nothing to do; after an error it does not.
                self.end = End::CutNow;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            End::CutNow => Poll::Ready(Some(Err(Cut))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_empty() && matches!(self.end, End::Whole)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.announced)
    }
}
