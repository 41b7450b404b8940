//! Implements `longhaul resume`: goes on with a run that was cut off, in its own folder.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::drive::DriveOptions;
use super::inputs::KeptTexts;
use super::run::RunOptions;
use super::{finish, inputs, mistake, print_stderr, rehearse, run};
use crate::digest::sha256;
use crate::error::Mistake;
use crate::escape::one_line;
use crate::exit::Exit;
use crate::journal::CutRun;
use crate::journal::manifest::SpecText;
use crate::report::Printable;
use crate::spec::SpecFile;
use crate::timeline::wall_text;

/// Values that a run folder does not keep, given again.
#[derive(Clone, Debug, Default)]
pub(crate) struct GivenAgain {
    /// Headers of every request.
    pub headers: Vec<String>,
    /// Variable that holds the API key, in place of the one that was named.
    pub api_key_env: Option<String>,
    /// Server's address.
    pub endpoint: Option<String>,
    /// Recipe's file as it was.
    pub recipe: Option<PathBuf>,
    /// Whether the report has all tables.
    pub wide: bool,
}

/// Opens and locks the folder of a run that was cut off.
///
/// # Errors
/// The run cannot go on.
pub(crate) fn cut_off(run: &Path) -> Result<CutRun, Mistake> {
    CutRun::open(run)
}

/// Goes on with a run, and judges it as a whole.
pub(crate) fn run(cut: CutRun, mut options: RunOptions, given: &GivenAgain) -> Exit {
    let masked = |text: &Option<String>| text.as_ref().is_some_and(|text| text.contains(MASK));
    let missing = missing_headers(&cut, &given.headers);
    let server = &mut options.server;
    let wrong = if !missing.is_empty() {
        let what = format!("not given again: the header {}", missing.join(", the header "));
        let each: Vec<String> =
            missing.iter().map(|name| format!("--header '{name}: …'")).collect();
        Some(Mistake::new(what).hint(each.join(" ")))
    } else if masked(&server.endpoint) && given.endpoint.is_none() {
        Some(
            Mistake::new("not given again: the address, which had a password")
                .hint("--endpoint URL"),
        )
    } else {
        None
    };
    if let Some(wrong) = wrong {
        return mistake(&wrong.at(cut.dir.display().to_string()));
    }
    server.headers.clone_from(&given.headers);
    server.endpoint = given.endpoint.clone().or(server.endpoint.take());
    server.api_key_env = given.api_key_env.clone().or(server.api_key_env.take());
    match taken_up(cut, &mut options.drive, given) {
        Ok(()) => run::run(options),
        Err(wrong) => mistake(&wrong),
    }
}

/// Goes on with a rehearsal, and judges it as a whole.
pub(crate) fn rehearsal(cut: CutRun, mut options: DriveOptions, given: &GivenAgain) -> Exit {
    match taken_up(cut, &mut options, given) {
        Ok(()) => rehearse::rehearse(options),
        Err(wrong) => mistake(&wrong),
    }
}

/// Mark in place of a secret.
const MASK: &str = "[secret]";

/// Returns the names of the headers that were given at the start and are not given now.
fn missing_headers<'a>(cut: &'a CutRun, given: &[String]) -> Vec<&'a str> {
    let is_given = |name: &str| {
        let names = given.iter().filter_map(|header| Some(header.split_once(':')?.0.trim()));
        names.into_iter().any(|it| it.eq_ignore_ascii_case(name))
    };
    cut.manifest.headers.iter().map(String::as_str).filter(|name| !is_given(name)).collect()
}

/// Puts the texts of the run in place of the files, and says where it goes on.
fn taken_up(cut: CutRun, drive: &mut DriveOptions, given: &GivenAgain) -> Result<(), Mistake> {
    let manifest = &cut.manifest;
    drive.inputs.kept = KeptTexts {
        recipe: whole(&manifest.recipe, given.recipe.as_deref())?,
        scenario: whole(&manifest.scenario, None)?,
        profile: manifest.profile.as_ref().map_or(Ok(None), |text| whole(text, None))?,
    };
    drive.output = Some(cut.dir.clone());
    drive.wide = given.wide;
    print_stderr(&format!(
        "{}: cut off at {}, goes on with row {}",
        cut.dir.display(),
        wall_text(cut.last_us),
        cut.next_seq
    ));
    if !cut.manifest.ailments.is_empty() {
        print_stderr(
            "warning: the simulated server begins anew: its faults count their times from now on",
        );
    }
    drive.cut = Some(Rc::new(cut));
    Ok(())
}

/// Returns a text of the run; one from which keys were removed is read again from its file. `None`
/// where the run had none.
fn whole(kept: &SpecText, given: Option<&Path>) -> Result<Option<SpecFile>, Mistake> {
    if kept.text.is_empty() {
        return Ok(None);
    }
    let source =
        |text: String| SpecFile { name: kept.name.clone(), origin: kept.origin.clone(), text };
    if kept.kept_sha256 == kept.sha256 {
        return Ok(Some(source(kept.text.clone())));
    }
    let path = given.unwrap_or(Path::new(&kept.origin));
    let refused = |why: String| {
        Mistake::new(format!("its keys were not kept, and {why}"))
            .at(path.display().to_string())
            .hint("--recipe FILE, as it was when the run began")
    };
    let text = inputs::text_of(path).map_err(|why| refused(format!("it cannot be read: {why}")))?;
    if sha256(text.as_bytes()) != kept.sha256 {
        return Err(refused("it is another text than when the run began".to_owned()));
    }
    Ok(Some(source(text)))
}

/// Returns the mistake of a run whose command line cannot be read any more.
pub(crate) fn unreadable(cut: &CutRun) -> Mistake {
    Mistake::new("the command line that began the run cannot be read")
        .at(cut.dir.display().to_string())
        .hint(cut.manifest.again.clone())
}

/// Prints a systemd unit that goes on with the run after a reboot.
pub(crate) fn print_unit(cut: &CutRun, api_key_env: Option<&str>) -> Exit {
    if !cut.manifest.headers.is_empty() {
        let names = cut.manifest.headers.join(", ");
        let what = format!("the run needs headers whose values are not kept: {names}");
        return mistake(&Mistake::new(what).hint("resume it by hand, with --header"));
    }
    let words = cut.words();
    let named = words.iter().skip_while(|word| *word != "--api-key-env").nth(1);
    match unit(cut, api_key_env.or(named.map(String::as_str))) {
        Ok(text) => finish(&Printable::terminal(&text), Exit::Pass),
        Err(why) => mistake(&Mistake::new(format!("the unit cannot be made: {why}"))),
    }
}

fn unit(cut: &CutRun, api_key_env: Option<&str>) -> std::io::Result<String> {
    let program = std::env::current_exe()?;
    let here = std::env::current_dir()?;
    let run = cut.dir.canonicalize()?;
    let is_plain = |path: &&PathBuf| {
        let path = path.display().to_string();
        one_line(&path, usize::MAX) == path
    };
    if ![&program, &here, &run].iter().all(is_plain) {
        return Err(std::io::Error::other("a path has a line end or another control character"));
    }
    let user = std::env::var("USER").unwrap_or_else(|_| "root".to_owned());
    Ok(unit_text(&UnitParts {
        program: &program,
        here: &here,
        run: &run,
        user: &user,
        api_key_env,
    }))
}

/// Parts of a systemd unit.
struct UnitParts<'a> {
    program: &'a Path,
    here: &'a Path,
    run: &'a Path,
    user: &'a str,
    api_key_env: Option<&'a str>,
}

fn unit_text(parts: &UnitParts<'_>) -> String {
    let UnitParts { program, here, run, user, api_key_env } = parts;
    let [program, here, run] = [program, here, run].map(|path| unit_word(path));
    let (flag, key) = match api_key_env {
        None => (String::new(), String::new()),
        Some(name) => (
            format!(" --api-key-env {name}"),
            format!(
                "# A line {name}=… in a file that only this user may read:\nEnvironmentFile=/etc/longhaul.env\n"
            ),
        ),
    };
    format!(
        "# Goes on with a run of longhaul after a reboot. Save it as /etc/systemd/system/longhaul.service, then:\n\
         #   systemctl enable --now longhaul.service\n\
         # A run that is over is refused (exit code 2), and nothing else happens: disable the unit then.\n\
         [Unit]\n\
         Description=longhaul soak test\n\
         Wants=network-online.target\n\
         After=network-online.target docker.service\n\
         \n\
         [Service]\n\
         User={user}\n\
         WorkingDirectory={here}\n\
         {key}ExecStart=\"{program}\" resume \"{run}\"{flag}\n\
         SuccessExitStatus=2\n\
         # SIGTERM is a request to end the run for good: a shutdown must cut it off instead.\n\
         KillSignal=SIGKILL\n\
         \n\
         [Install]\n\
         WantedBy=multi-user.target\n"
    )
}

/// Returns a path for a quoted word of a unit (systemd.service(5), systemd.syntax(7)).
fn unit_word(path: &Path) -> String {
    let text = path.display().to_string().replace('\\', "\\\\").replace('"', "\\\"");
    text.replace('%', "%%").replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn the_unit_leaves_it_to_resume_whether_the_run_goes_on_and_never_asks_it_to_end() {
        let parts = UnitParts {
            program: Path::new("/usr/bin/longhaul"),
            here: Path::new("/home/me"),
            run: Path::new("/home/me/runs/100%"),
            user: "me",
            api_key_env: Some("API_KEY"),
        };
        let unit = unit_text(&parts);
        assert!(!unit.contains("Condition"), "a run whose disk failed has a verdict.json too");
        assert_snapshot!(unit, @r#"
        # Goes on with a run of longhaul after a reboot. Save it as /etc/systemd/system/longhaul.service, then:
        #   systemctl enable --now longhaul.service
        # A run that is over is refused (exit code 2), and nothing else happens: disable the unit then.
        [Unit]
        Description=longhaul soak test
        Wants=network-online.target
        After=network-online.target docker.service

        [Service]
        User=me
        WorkingDirectory=/home/me
        # A line API_KEY=… in a file that only this user may read:
        EnvironmentFile=/etc/longhaul.env
        ExecStart="/usr/bin/longhaul" resume "/home/me/runs/100%%" --api-key-env API_KEY
        SuccessExitStatus=2
        # SIGTERM is a request to end the run for good: a shutdown must cut it off instead.
        KillSignal=SIGKILL

        [Install]
        WantedBy=multi-user.target
        "#);
    }
}
