# A test server that gets a copy of the traffic, with the answers of both sides compared: before an upgrade, say.
#
# The test server starts with the same data. It is asked with an account of its own. Whatever becomes of it, the
# application is answered by the production server alone.

server "production" { address = "10.0.0.1:3306" }
server "candidate"  { address = "10.0.0.9:3306" }

accounts "main" {
  user "app" { password = env("APP_PASSWORD") }
}

listener "app" {
  address  = "0.0.0.0:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  filter "tee" {
    target          = pipeline.shadow
    target_user     = "shadow"
    target_password = env("SHADOW_PASSWORD")
    sample          = 0.5 # every other session
    compare         = true
  }
  # What is slow here, and ...
  filter "top" { report = "/var/log/weir/top-production.json" }
  router "connection" { servers = [server.production] }
}

pipeline "shadow" {
  # ... there.
  filter "top" { report = "/var/log/weir/top-candidate.json" }
  router "connection" { servers = [server.candidate] }
}

telemetry {
  metrics { address = "127.0.0.1:9104" }
  traces {
    endpoint     = "http://127.0.0.1:4318"
    sample_ratio = 0.01
    slow         = "500ms"
    errors       = true
  }
}
