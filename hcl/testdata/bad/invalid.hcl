server "db1" {
  address = "127.0.0.1:3306"
  weight  = 0 # ERROR: weight: a weight is at least 1
  rank    = 0 # ERROR: rank: a rank is at least 1
}

accounts "main" {
  user "app" {
    password = "secret"
  }
}

listener "app" {
  address  = "127.0.0.1:4006"
  accounts = accounts.main
  pipeline = pipeline.app
}

pipeline "app" {
  filter "every" {
    text  = "(" # ERROR: text: error parsing regexp: missing closing ): `(`
    count = 0 # ERROR: count: must be at least 1
    pattern "p" {
      match = "x"
    }
    pattern "q" {
      match = "[" # ERROR: pattern q: match: error parsing regexp: missing closing ]: `[`
    }
    part {
      match = "x"
    }
    part {
      match = "*" # ERROR: part 2: match: error parsing regexp: missing argument to repetition operator: `*`
    }
  }
  filter "moody" { # ERROR: filter "moody": not today
  }
  router "fan" {
    servers = [] # ERROR: servers: at least one is needed
  }
}
