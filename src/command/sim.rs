//! Implements `longhaul sim`: serves the simulated server alone.

use std::net::{Ipv4Addr, SocketAddr};

use super::drive::ailments;
use super::inputs::{DEFAULT_RECIPE, Inputs, recipe_warnings};
use super::{mistake, print_stderr, runtime};
use crate::error::Mistake;
use crate::exit::Exit;
use crate::http::reference::FetchPermissions;
use crate::serve::sim::{BoundSimServer, SimConfig};
use crate::sim::world::SimEvent;
use crate::sim::{Ailment, Setup};

/// Options of the simulated server.
#[derive(Clone, Debug)]
pub(crate) struct SimOptions {
    /// Port on the loopback address.
    pub port: u16,
    /// Recipe that it simulates.
    pub recipe: Option<String>,
    /// Permissions for references.
    pub reach: FetchPermissions,
    /// Profile of the machine that it simulates.
    pub profile: Option<String>,
    /// Seed of its noise.
    pub seed: u64,
    pub ailments: Vec<String>,
}

/// Serves until it is interrupted.
pub(crate) fn sim(options: &SimOptions) -> Exit {
    let served = order(options).and_then(|order| runtime()?.block_on(serve(options.port, order)));
    match served {
        Ok(()) => Exit::Pass,
        Err(wrong) => mistake(&wrong),
    }
}

/// Builds the configuration of the simulation.
fn order(options: &SimOptions) -> Result<SimConfig, Mistake> {
    let inputs = Inputs {
        recipe: options.recipe.clone(),
        reach: options.reach.clone(),
        profile: options.profile.clone(),
        ..Inputs::default()
    };
    let recipe = inputs.recipe(Some(DEFAULT_RECIPE))?.ok_or_else(|| Mistake::new("no recipe"))?;
    let profile = inputs.profile(Some(&recipe))?.ok_or_else(no_profile)?;
    for warning in recipe_warnings(&recipe) {
        print_stderr(&format!("warning: {warning}"));
    }
    let setup = Setup::of(&recipe, &profile);
    let ailments = ailments(&options.ailments)?;
    of_the_server(&options.ailments, &ailments)?;
    Ok(SimConfig { setup, seed: options.seed, ailments })
}

async fn serve(port: u16, order: SimConfig) -> Result<(), Mistake> {
    let model = order.setup.served.first().cloned().unwrap_or_default();
    let bind = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let say = |_, sign| {
        if let SimEvent::Said(line) = sign {
            print_stderr(&line);
        }
    };
    let server = BoundSimServer::bind(bind, order, say)?;
    print_stderr(&format!(
        "SIMULATED server on http://{}, serving `{model}`; Ctrl-C to stop",
        server.address()
    ));
    tokio::select! { biased;
        _ = tokio::signal::ctrl_c() => Ok(()),
        ended = server.run() => ended,
    }
}

/// Rejects ailments that are not the server's.
///
/// # Errors
/// An ailment of longhaul's own machine.
pub(crate) fn of_the_server(texts: &[String], ailments: &[Ailment]) -> Result<(), Mistake> {
    match texts.iter().zip(ailments).find(|(_, ailment)| ailment.kind.affects_longhaul()) {
        Some((text, _)) => {
            Err(Mistake::new("this is a fault of longhaul's own machine, not of the server")
                .at(format!("--ailment {text}"))
                .hint("longhaul rehearse has it"))
        }
        None => Ok(()),
    }
}

/// Returns the mistake that there is no machine to simulate.
pub(crate) fn no_profile() -> Mistake {
    Mistake::new("the recipe names no machine profile, so there is nothing to simulate")
        .hint("--profile dgx-spark-nemotron-3-super")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_of_the_harness_is_refused_and_the_servers_are_taken() {
        let read = |text: &str| {
            let texts = ["crash".to_owned(), text.to_owned()];
            of_the_server(&texts, &ailments(&texts)?)
        };
        assert_eq!(read("hang=10m@2h"), Ok(()));
        let texts = ["wall_clock_step=-5m@1h", "slow_disk", "crsh"];
        let reported = crate::shown::each(texts, |text| read(text).unwrap_err().to_string());
        insta::assert_snapshot!(reported, @r#"
            "wall_clock_step=-5m@1h"
                error: this is a fault of longhaul's own machine, not of the server
                   at: --ailment wall_clock_step=-5m@1h
                  try: longhaul rehearse has it

            "slow_disk"
                error: this is a fault of longhaul's own machine, not of the server
                   at: --ailment slow_disk
                  try: longhaul rehearse has it

            "crsh"
                error: there is no ailment `crsh`
                   at: --ailment crsh
                  try: crash
        "#);
    }
}
