//! Tells whether something listens where a server of longhaul's is to listen.

use tokio::net::TcpStream;

use crate::timeline::Timeline;
use crate::unit::At;

/// Limit of the check, microseconds.
const KNOCK_US: u64 = 1_000_000;

/// Place at which a server that longhaul starts will listen.
#[derive(Clone, Debug)]
pub(crate) struct ServerPort {
    /// Place as `host:port`.
    pub place: String,
    /// Names the process of this machine that listens at a port, where it can be found.
    pub name_listener: fn(u16) -> Option<String>,
}

impl ServerPort {
    /// Returns who listens there, in words; `None` where nobody does.
    pub(super) async fn taken(&self, timeline: &Timeline) -> Option<String> {
        let deadline = At(timeline.now().0 + KNOCK_US);
        let knocked = timeline.before(deadline, TcpStream::connect(&self.place)).await;
        knocked.is_some_and(|it| it.is_ok()).then(|| self.listener())
    }

    /// Names the process that listens there.
    fn listener(&self) -> String {
        let port = self.place.rsplit(':').next().and_then(|port| port.parse().ok());
        let listener = port.and_then(self.name_listener);
        listener.unwrap_or_else(|| "another process".to_owned())
    }
}

/// Returns why a server is not started again: somebody else took its port meanwhile.
pub(super) async fn in_the_way(port: Option<&ServerPort>, timeline: &Timeline) -> Option<String> {
    let port = port?;
    let who = port.taken(timeline).await?;
    Some(format!("it is not started again: {who} listens on {} now", port.place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_listens_at_a_port_is_named_where_he_can_be_found() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let place = listener.local_addr().expect("an address").to_string();
        let named = ServerPort { place, name_listener: |_| Some("python3 (pid 7)".to_owned()) };
        let timeline = Timeline::start();
        assert_eq!(named.taken(&timeline).await.as_deref(), Some("python3 (pid 7)"));
        let nameless = ServerPort { name_listener: |_| None, ..named };
        assert_eq!(nameless.taken(&timeline).await.as_deref(), Some("another process"));
        drop(listener);
        assert_eq!(nameless.taken(&timeline).await, None);
    }
}
