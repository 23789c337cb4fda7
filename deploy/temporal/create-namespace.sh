#!/bin/sh
# Makes the namespace TEMPORAL_NAMESPACE on the server TEMPORAL_ADDRESS, where it isn't there yet, and waits until the
# server knows it. `temporal` reads the address by itself; the namespace has to be said, or it takes `default`.
set -eu

tries=60

wait_for() {
    until "$@" >/dev/null 2>&1; do
        tries=$((tries - 1))
        if [ "$tries" -le 0 ]; then
            echo "gave up waiting for: $*" >&2
            exit 1
        fi
        sleep 1
    done
}

wait_for temporal operator cluster health
if ! temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1; then
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
fi
# The server finds out about a new namespace by and by; whoever comes next may count on it.
wait_for temporal operator search-attribute list --namespace "$TEMPORAL_NAMESPACE"
echo "The namespace $TEMPORAL_NAMESPACE is there."
