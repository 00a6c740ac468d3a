//! Applies changes of the configuration to the proxy, and says what became of them.

use std::collections::BTreeSet;

use egret_config::compile::{CompileOptions, CompiledConfig, GatewayPlacement};
use egret_config::in_force::{ConfigChange, InForce, RefusedChange};
use egret_config::load::{ConfigLoader, LoadedConfig};
use egret_config::report::{Findings, Report, ReportProblem};
use egret_config::resources::Resources;
use egret_proxy::{BindError, Proxy};

use crate::clock;
use crate::console::{self, Severity};
use crate::files::{ConfigFiles, LocalFiles, PassedOver};
use crate::process::ServeError;

/// The warning about a configuration without listeners.
const NOTHING_TO_SERVE: &str =
    "there is no listener to serve: is there a Gateway of class egret or kgateway?";

/// As [`NOTHING_TO_SERVE`], of a Gateway in a cluster.
const NOTHING_OF_GATEWAY: &str = "there is no listener to serve";

/// The proxy, with the configuration that is in force.
pub(crate) struct Reloader {
    proxy: Proxy,
    /// `None` until there is a configuration.
    in_force: Option<InForce>,
    options: CompileOptions,
    /// The files that were named as passed over.
    passed_over: BTreeSet<PassedOver>,
    /// The files that objects name.
    local: LocalFiles,
}

/// What was found while the objects were read, and belongs in the report.
#[derive(Debug, Default)]
pub(crate) struct LoadFindings {
    pub(crate) problems: Vec<ReportProblem>,
    pub(crate) warnings: Vec<ReportProblem>,
    pub(crate) skipped: usize,
}

/// Parses files. If any of them cannot be read or parsed, all of them are rejected.
pub(crate) fn load(
    files: &ConfigFiles,
    loader: &mut ConfigLoader,
) -> Result<LoadedConfig, Vec<String>> {
    let (loaded, unreadable) = files.load_by(loader);
    let errors: Vec<_> = unreadable
        .iter()
        .cloned()
        .chain(loaded.errors.iter().map(ToString::to_string))
        .collect();
    if errors.is_empty() {
        Ok(loaded)
    } else {
        Err(errors)
    }
}

impl Reloader {
    /// Serves the first configuration.
    ///
    /// # Errors
    /// If a listener cannot be bound.
    pub(crate) async fn start(
        proxy: Proxy,
        loaded: LoadedConfig,
        options: CompileOptions,
    ) -> Result<Self, ServeError> {
        let (resources, beside) = split(loaded);
        let mut reloader = Self::waiting(proxy, options);
        let unbound = reloader.begin(resources, beside).await;
        if !unbound.is_empty() {
            // Each of them has been told.
            return Err("not started, because not every listener can be bound".into());
        }
        reloader.tell_addresses();
        reloader.tell_generation();
        Ok(reloader)
    }

    /// Has nothing to serve yet.
    pub(crate) fn waiting(proxy: Proxy, options: CompileOptions) -> Self {
        Self {
            proxy,
            in_force: None,
            options,
            passed_over: BTreeSet::new(),
            local: LocalFiles::default(),
        }
    }

    /// Serves the first objects. Returns the listeners that cannot be bound.
    async fn begin(&mut self, mut resources: Resources, beside: LoadFindings) -> Vec<BindError> {
        self.local = LocalFiles::added_to(&mut resources);
        let (in_force, compiled) = InForce::start(resources, &self.options);
        self.in_force = Some(in_force);
        self.apply(beside.added_to(compiled)).await
    }

    /// Applies the files, or what can be served of them, or keeps what is in force.
    pub(crate) async fn reload(&mut self, files: &ConfigFiles, loader: &mut ConfigLoader) {
        let loaded = match load(files, loader) {
            Ok(loaded) => loaded,
            Err(errors) => return self.reject(errors),
        };
        let (resources, beside) = split(loaded);
        self.renew(resources, beside).await;
    }

    /// Applies objects, or what can be served of them, or keeps what is in force.
    pub(crate) async fn renew(&mut self, mut resources: Resources, beside: LoadFindings) {
        self.options.now = Some(clock::unix_time());
        let Some(in_force) = &self.in_force else {
            self.begin(resources, beside).await;
            self.tell_addresses();
            self.tell_generation();
            return;
        };
        self.local = LocalFiles::added_to(&mut resources);
        match in_force.change(resources, &self.options) {
            Ok(change) => self.change(change, beside).await,
            Err(RefusedChange(problems)) => {
                self.reject(problems.iter().map(ToString::to_string).collect());
            }
        }
    }

    async fn change(&mut self, change: ConfigChange, beside: LoadFindings) {
        let ConfigChange {
            in_force,
            compiled,
            is_new,
            changes,
            unprotected,
        } = change;
        self.in_force = Some(in_force);
        for change in changes {
            tracing::info!("{change}");
        }
        for (gateway, listener) in unprotected {
            tracing::warn!(
                "{gateway}: the listener {listener} has lost its last EgressPolicy: only policies on routes and Backends \
                 limit where its requests go"
            );
        }
        let compiled = beside.added_to(compiled);
        if is_new {
            self.apply(compiled).await;
        } else {
            tell_problems(&compiled.report);
            self.proxy.keep(compiled.report);
            tracing::error!(
                "the change is not served: generation {} stays in effect",
                self.proxy.generation()
            );
        }
        self.tell_generation();
    }

    async fn apply(&mut self, compiled: CompiledConfig) -> Vec<BindError> {
        tell_problems(&compiled.report);
        let unbound = self.proxy.apply(compiled).await;
        if let Some(in_force) = &self.in_force {
            self.proxy.serves(in_force.served());
        }
        unbound.iter().for_each(|error| tracing::error!("{error}"));
        unbound
    }

    fn reject(&self, errors: Vec<String>) {
        // The errors are in /report before they are on stderr, so that whoever sees them there finds them in /report.
        self.proxy.reject(errors.clone());
        errors.iter().for_each(console::error);
        tracing::error!(
            "configuration rejected: generation {} stays in effect",
            self.proxy.generation()
        );
    }

    /// Tries again to bind the listeners that could not be bound.
    pub(crate) async fn rebind(&mut self) {
        if self.proxy.has_unbound_listeners() && self.proxy.rebind().await.is_empty() {
            self.tell_addresses();
        }
    }

    /// Names the files that are passed over, each of them once.
    pub(crate) fn tell_passed_over(&mut self, files: &ConfigFiles) {
        for one in files.passed_over() {
            if self.passed_over.insert(one.clone()) {
                tracing::warn!("{}: {}", one.path.display(), one.why);
            }
        }
    }

    /// The files that objects name, which have been read with them.
    pub(crate) fn local_files(&self) -> &LocalFiles {
        &self.local
    }

    pub(crate) fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    pub(crate) fn into_proxy(self) -> Proxy {
        self.proxy
    }

    fn tell_addresses(&self) {
        for (bind, address) in self.proxy.addresses() {
            tracing::info!(port = bind.port.get(), "listening on {address}");
        }
        if let Some(admin) = self.proxy.admin_address() {
            tracing::info!("admin server on http://{admin}/");
        }
        if let Some(probes) = self.proxy.probe_address() {
            tracing::info!("probes on http://{probes}/readyz");
        }
    }

    /// Says in one line what is served now.
    fn tell_generation(&self) {
        let generation = self.proxy.generation();
        let problems = counted(self.proxy.problems(), "problem");
        let listeners = counted(self.proxy.listeners(), "listener");
        tracing::info!(
            generation,
            "generation {generation}: {problems}; {listeners}"
        );
        if self.proxy.addresses().is_empty() {
            let why = match self.options.placement {
                GatewayPlacement::Shared => NOTHING_TO_SERVE,
                GatewayPlacement::Apart => NOTHING_OF_GATEWAY,
            };
            tracing::warn!("{why}");
        }
    }
}

fn split(loaded: LoadedConfig) -> (Resources, LoadFindings) {
    let LoadedConfig {
        resources,
        errors: _,
        warnings,
        skipped,
        unread: _,
    } = loaded;
    let findings = LoadFindings {
        warnings,
        skipped,
        ..LoadFindings::default()
    };
    (resources, findings)
}

impl LoadFindings {
    fn added_to(self, mut compiled: CompiledConfig) -> CompiledConfig {
        compiled.report.problems.splice(0..0, self.problems);
        compiled.report.warnings.splice(0..0, self.warnings);
        compiled.report.skipped = self.skipped;
        compiled
    }
}

fn tell_problems(report: &Report) {
    let Findings { errors, warnings } = report.findings(&[], &BTreeSet::new());
    for warning in &warnings {
        console::problem(Severity::Warning, warning);
    }
    for error in &errors {
        console::problem(Severity::Error, error);
    }
}

fn counted(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_grammar() {
        let told: Vec<_> = (0..3).map(|number| counted(number, "problem")).collect();
        assert_eq!(told, ["0 problems", "1 problem", "2 problems"]);
    }
}
