server "db1" { # ERROR: server "db1" has no address
}

accounts "main" {
  user "app" { # ERROR: user "app" has no password
  }
}

listener "app" { # ERROR: listener "app" has no accounts # ERROR: listener "app" has no pipeline
  address = "127.0.0.1:4006"
}

pipeline "app" {
  filter "every" { # ERROR: filter "every" has no text
    pattern "p" { # ERROR: pattern "p" has no match
    }
  }
  router "fan" { # ERROR: router "fan" has no servers
  }
}
