//! Kubernetes: reads the configuration of Egret from an API server, and writes back what became of it.
