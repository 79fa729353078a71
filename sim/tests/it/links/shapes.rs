//! Links cut in a shape.

use sim::{
    World,
    fault::{Cut, Swizzle},
};
use tokio::time::timeout;
use transport::Host;

use super::names;
use crate::support::{PORT, config, ms, on_seat, secs};

/// Which of the seats `names` can reach which, as `ab` for a to b.
async fn reachable(hosts: &[(&'static str, Host)]) -> Vec<String> {
    let mut reached = Vec::new();
    for (from, host) in hosts {
        for (to, _) in hosts.iter().filter(|(to, _)| to != from) {
            let connect = host.net.connect(to, PORT);
            let refused = on_seat(host.clone(), timeout(ms(100), connect)).await.is_ok();
            reached.extend(refused.then(|| format!("{from}{to}")));
        }
    }
    reached
}

fn seats(world: &World, names: &[&'static str]) -> Vec<(&'static str, Host)> {
    names.iter().map(|name| (*name, world.add_seat(name))).collect()
}

#[test]
fn in_a_ring_each_machine_reaches_only_its_neighbors() {
    let outcome = sim::run(config(), |world| async move {
        let all = ["a", "b", "c", "d", "e"];
        let hosts = seats(&world, &all);
        world.partition(&Cut::Ring(names(&all)), None);
        reachable(&hosts).await
    });
    let ring = ["ab", "ae", "ba", "bc", "cb", "cd", "dc", "de", "ea", "ed"];
    assert_eq!(outcome.value.unwrap(), ring);
}

#[test]
fn a_swizzle_cuts_one_by_one_and_mends_one_by_one_in_an_order_of_the_seed() {
    let run = |seed| {
        sim::run(sim::WorldConfig { seed, ..config() }, |world| async move {
            let all = ["a", "b", "c", "d"];
            let hosts = seats(&world, &all);
            let swizzle = Swizzle { machines: names(&all), every: secs(10) };
            let fault = world.swizzle(&swizzle, None);
            let began = tokio::time::Instant::now() + ms(1);
            let mut counts = Vec::new();
            let mut paths = Vec::new();
            for _ in 0..8 {
                let reached = reachable(&hosts).await;
                counts.push(reached.len());
                paths.push(reached.concat());
                tokio::time::sleep_until(began + secs(10 * paths.len() as u64)).await;
            }
            (counts, paths, swizzle.lasts(), world.fault(fault).hits > 0)
        })
    };
    let (counts, paths, lasts, touched) = run(1).value.unwrap();
    assert_eq!((counts, lasts, touched), (vec![6, 2, 0, 0, 0, 2, 6, 12], secs(70), true));
    let orders: std::collections::BTreeSet<_> =
        (1..9).map(|seed| run(seed).value.unwrap().1).collect();
    assert!(orders.len() > 1 && orders.contains(&paths));
}
