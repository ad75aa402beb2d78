use super::bed::Bed;
use crate::testing::Ask;

fn rss() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}

#[tokio::test]
async fn memory() {
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let text = format!(".:53 {{\nforward . {}\n}}", deaf.local_addr().unwrap());
    let bed = Bed::new(&text).await;
    let server = crate::testing::server(&bed.chain);
    for round in 0..3 {
        let before = rss();
        let mut tasks = Vec::new();
        for at in 0..20_000 {
            if at == 1 {
                println!("----");
            }
            let ask = Ask::new(&format!("www{at}.some-name-{round}.example.org A"));
            let packet = ask.packet();
            let mut out = Vec::new();
            let arrival = crate::server::Arrival {
                client: ask.client,
                local: ask.client,
                transport: crate::query::Transport::Udp,
                now: tokio::time::Instant::now(),
            };
            match server.handle(&packet, arrival, &mut out) {
                crate::server::Handled::Later(f) => tasks.push(tokio::spawn(f)),
                _ => panic!(),
            }
            if at % 64 == 0 {
                tokio::task::yield_now().await;
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
        let after = rss();
        let fds = std::fs::read_dir("/proc/self/fd").unwrap().count();
        println!("{} bytes each, {fds} fds", (after - before) / 20_000);
        let mut ok = 0;
        for task in tasks {
            if task.await.unwrap().is_some() {
                ok += 1;
            }
        }
        println!("{ok}");
    }
}

#[tokio::test]
async fn memory_base() {
    let stub = crate::testing::Stub::new(|_| crate::chain::Reply::later(std::future::pending()));
    let chain = crate::chain::Chain::new(vec![std::sync::Arc::new(stub)]);
    let server = crate::testing::server(&chain);
    let before = rss();
    let mut tasks = Vec::new();
    for at in 0..20_000 {
        let ask = Ask::new(&format!("www{at}.some-name-1.example.org A"));
        let packet = ask.packet();
        let mut out = Vec::new();
        let arrival = crate::server::Arrival {
            client: ask.client,
            local: ask.client,
            transport: crate::query::Transport::Udp,
            now: tokio::time::Instant::now(),
        };
        match server.handle(&packet, arrival, &mut out) {
            crate::server::Handled::Later(f) => {
                if at == 0 {
                    println!(
                        "server future {} owned {}",
                        size_of_val(&*f),
                        size_of::<crate::query::OwnedQuery>()
                    );
                }
                tasks.push(tokio::spawn(f))
            }
            _ => panic!(),
        }
        if at % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    println!("base {} bytes each", (rss() - before) / 20_000);
}
