# An audit log of all that people ask, and of what applications do that is slow.
#
# Applications connect over TCP, people on the machine over a Unix socket that only members of a group may use.
# `weir verify-log -key-file audit.key /var/log/weir/people.jsonl*` finds lines that were changed, or are missing, in what
# people have asked.

server "db1" {
  address = "10.0.0.1:3306"
  weight  = 2 # a larger machine: it gets twice the connections
}

server "db2" { address = "10.0.0.2:3306" }

accounts "applications" {
  user "app" {
    host     = "10.0.0.0/255.255.0.0"
    password = file("app.password")
  }
}

accounts "people" {
  user "ann" { password = env("ANN_PASSWORD") }
  user "bob" { password = env("BOB_PASSWORD") }
}

listener "applications" {
  address         = "0.0.0.0:4006"
  accounts        = accounts.applications
  pipeline        = pipeline.direct
  max_connections = 5000
}

listener "people" {
  socket      = "/run/weir/people.sock"
  socket_mode = "0770"
  accounts    = accounts.people
  pipeline    = pipeline.audited
}

pipeline "direct" {
  # Slow statements, without the values in them. Should the disk be full, applications go on.
  filter "querylog" {
    path         = "/var/log/weir/slow.jsonl"
    min_duration = "1s"
    literals     = "redact"
    when_full    = "drop"
  }
  router "connection" { servers = [server.db1, server.db2] }
}

pipeline "audited" {
  # Everything, with values. Should the disk be full, people wait.
  filter "querylog" {
    path          = "/var/log/weir/people.jsonl"
    when_full     = "block"
    max_age       = "24h"
    keep          = 400
    compress      = true
    integrity     = true
    integrity_key = file("audit.key")
  }
  router "connection" { servers = [server.db1, server.db2] }
}

process {
  shutdown_timeout = "1m"
  log {
    format = "json"
  }
}
