# A primary and two replicas behind one address: writes go to the primary, reads are spread, and neither the loss of a
# replica nor a change of primary ends a session.
#
# The monitor's account needs SLAVE MONITOR in MariaDB, REPLICATION CLIENT in MySQL. It finds out who is primary, and promotes
# nobody. `weir servers` shows what it has found.

server "db1" { address = "10.0.0.1:3306" }
server "db2" { address = "10.0.0.2:3306" }
server "db3" { address = "10.0.0.3:3306" }

monitor "replication" "main" {
  servers  = [server.db1, server.db2, server.db3]
  user     = "weir"
  password = env("MONITOR_PASSWORD")
}

accounts "main" {
  user "app" { password = env("APP_PASSWORD") }
}

listener "app" {
  address  = "0.0.0.0:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  router "readwritesplit" {
    servers = monitor.main.servers
    max_lag = "10s"
    # A session sees what it has written, on any replica.
    causal_reads         = "session"
    causal_reads_timeout = "2s"
    # How long a failover may take before sessions notice.
    delayed_retry      = "30s"
    transaction_replay = true
  }
}

control {} # for weir servers, and to take one out of use

telemetry {
  metrics { address = "127.0.0.1:9104" }
}
