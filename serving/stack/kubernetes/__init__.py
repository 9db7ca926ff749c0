"""The stack as manifests of Kubernetes, ready for kustomize."""
