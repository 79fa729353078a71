//! Clients: parts of this process that use servers as a device would, on a machine of their own.

use std::{
    net::{IpAddr, Ipv4Addr},
    panic::AssertUnwindSafe,
    sync::Arc,
};

use futures_util::FutureExt;
use journal::Event;
use sim::Node;
use transport::{
    Host,
    real::{self, RealConfig},
};

use super::{LiveWorld, machine::Runs, net::ClientNet, tasks::ClientTasks};

/// What runs on the machine of a client.
pub(super) struct Client {
    pub(super) node: Option<Arc<dyn Node>>,
    tasks: Option<Arc<ClientTasks>>,
}

impl Client {
    pub(super) fn stop(&mut self) {
        if let Some(tasks) = self.tasks.take() {
            tasks.end();
        }
    }

    pub(super) fn pause(&self, is_paused: bool) {
        if let Some(tasks) = &self.tasks {
            tasks.pause(is_paused);
        }
    }
}

impl LiveWorld {
    pub(super) fn add_client(&self, name: &str, node: Option<Arc<dyn Node>>) {
        self.place(name, Runs::Client(Client { node, tasks: None }));
    }

    pub(super) fn start_client(&self, name: &Arc<str>) -> Host {
        let tasks = Arc::new(ClientTasks::new(self, name));
        let host = self.host(name, &tasks);
        let node = {
            let mut state = self.lock();
            let place = state.place_mut(name);
            let is_paused = !place.paused_by.is_empty();
            let Runs::Client(client) = &mut place.runs else { unreachable!() };
            tasks.pause(is_paused);
            client.tasks = Some(Arc::clone(&tasks));
            client.node.clone()
        };
        if let Some(node) = node {
            let (world, name, host) = (self.clone(), Arc::clone(name), host.clone());
            tasks.spawn_boxed(Box::pin(async move { world.run_node(&name, &*node, host).await }));
        }
        host
    }

    /// Returns the host of a client: its network is the gateway, and the rest is this machine's.
    fn host(&self, name: &Arc<str>, tasks: &Arc<ClientTasks>) -> Host {
        let folder = self.0.parts.folder.join("clients").join(name.replace('/', "-"));
        let loopback = Some(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let config = RealConfig { bind: loopback, ..RealConfig::default() };
        let host = real::host(&folder, &config).expect("the folder of the run can be written");
        let net = Arc::new(ClientNet::new(self, name));
        Host { net, tasks: Arc::clone(tasks) as _, ..host }
    }

    async fn run_node(&self, name: &Arc<str>, node: &dyn Node, host: Host) {
        match AssertUnwindSafe(node.run(host)).catch_unwind().await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                self.write(Arc::clone(name), None, Event::Exited { error });
            }
            Err(_) => self.give_up(format!("the client {name} panicked")),
        }
    }
}
