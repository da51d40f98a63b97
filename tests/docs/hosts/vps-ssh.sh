# The VPS, with its owner logged in by SSH from the client.
. "${BASH_SOURCE[0]%/*}/vps.sh"
log_in client 198.51.100.7 203.0.113.10 22222
