#!/bin/sh
# Installs what the integration tests and the benchmark need, where it is missing and this user may (root, apt);
# elsewhere it says exactly what to install, and exits 1. It is quick where nothing is missing.
#
#   WEIR_CACHE     folder for what comes from no package of this system's (default /var/cache/weir)
#   WEIR_NO_MYSQL  set to anything: this machine has no MySQL, do not build one
set -eu

cache=${WEIR_CACHE:-/var/cache/weir}
mysql2_version=3.24.5
npm_dir=$cache/npm
mysql_dir=$cache/mysql-sid
mirror=${WEIR_DEBIAN_MIRROR:-http://deb.debian.org/debian}

say() { echo "integration/install.sh: $*" >&2; }

# missing prints the Debian packages of what is not here.
missing() {
	command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || echo mariadb-server
	command -v mariadb >/dev/null || echo mariadb-client
	command -v sysbench >/dev/null || echo sysbench
	command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || echo haproxy
	/usr/bin/python3 -c 'import pymysql' 2>/dev/null || echo python3-pymysql
	/usr/bin/python3 -c 'import cryptography' 2>/dev/null || echo python3-cryptography
	command -v node >/dev/null || echo nodejs
	command -v npm >/dev/null || echo npm
	# promtool is in the same package.
	command -v prometheus >/dev/null && command -v promtool >/dev/null || echo prometheus
	# go test -race needs a C compiler.
	command -v gcc >/dev/null || echo gcc libc6-dev
	if [ -z "${WEIR_NO_MYSQL:-}" ]; then
		command -v debootstrap >/dev/null || [ -x /usr/sbin/debootstrap ] || echo debootstrap
	fi
}

# root_with_apt tells whether packages may be installed here.
root_with_apt() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }

packages() {
	want=$(missing | tr '\n' ' ')
	[ -n "$want" ] || return 0
	if ! root_with_apt; then
		say "missing here: $want"
		say "install them, on Debian and Ubuntu with: sudo apt-get install $want"
		return 1
	fi
	say "installing $want"
	apt-get update -q >&2
	# policy-rc.d keeps the packages from starting their servers: tests start private ones.
	policy=/usr/sbin/policy-rc.d
	[ -e $policy ] && policy= || printf '#!/bin/sh\nexit 101\n' >$policy
	[ -z "$policy" ] || chmod +x $policy
	status=0
	# shellcheck disable=SC2086 # a list of words
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $want >&2 || status=$?
	[ -z "$policy" ] || rm -f $policy
	return $status
}

npm_client() {
	[ -e "$npm_dir/node_modules/mysql2/package.json" ] &&
		grep -q "\"version\": \"$mysql2_version\"" "$npm_dir/node_modules/mysql2/package.json" && return 0
	if ! mkdir -p "$npm_dir" 2>/dev/null || [ ! -w "$npm_dir" ]; then
		say "cannot write $npm_dir: set WEIR_CACHE to a folder of yours"
		return 1
	fi
	say "installing npm mysql2 $mysql2_version in $npm_dir"
	if ! npm install --loglevel=error --no-audit --no-fund --no-save --prefix "$npm_dir" --cache "$npm_dir/.cache" \
		"mysql2@$mysql2_version" >&2; then
		say "install it with: npm install --prefix $npm_dir mysql2@$mysql2_version"
		return 1
	fi
	rm -rf "$npm_dir/.cache"
}

# mysql_chroot builds a Debian unstable with MySQL's server in a folder of its own: stable Debian has none.
mysql_chroot() {
	if [ -n "${WEIR_NO_MYSQL:-}" ]; then
		say "WEIR_NO_MYSQL is set: NOTHING IS TESTED ON MYSQL"
		return 0
	fi
	[ -x "$mysql_dir/usr/sbin/mysqld" ] && return 0
	if ! root_with_apt; then
		say "no MySQL in $mysql_dir, and only root can build it there: run integration/install.sh as root,"
		say "or set WEIR_NO_MYSQL=1 to do without the tests on MySQL"
		return 1
	fi
	say "building $mysql_dir (Debian unstable with mysql-server-core, two minutes)"
	new=$mysql_dir.new
	if mountpoint -q "$new/proc"; then umount "$new/proc"; fi
	rm -rf --one-file-system "$new"
	mkdir -p "$new"
	trap 'mountpoint -q "$new/proc" && umount "$new/proc"; exit 1' INT TERM HUP
	status=0
	fill_chroot || status=$?
	if mountpoint -q "$new/proc"; then umount "$new/proc"; fi
	trap - INT TERM HUP
	if [ $status -ne 0 ]; then
		say "could not build $new; set WEIR_NO_MYSQL=1 to do without the tests on MySQL"
		return 1
	fi
	mv "$new" "$mysql_dir"
}

fill_chroot() {
	PATH=$PATH:/usr/sbin:/sbin debootstrap --variant=minbase sid "$new" "$mirror" >&2 &&
		mount --bind /proc "$new/proc" &&
		DEBIAN_FRONTEND=noninteractive chroot "$new" \
			apt-get install -y -q --no-install-recommends mysql-server-core mysql-client-core >&2 &&
		{ chroot "$new" id mysql >/dev/null 2>&1 ||
			chroot "$new" useradd --system --no-create-home --home-dir /nonexistent mysql; } &&
		mkdir -p "$new/var/lib/mysql-files" "$new/data" &&
		chroot "$new" chown mysql /var/lib/mysql-files &&
		chroot "$new" apt-get clean
}

all() { packages && npm_client && mysql_chroot; }

# One at a time: go test runs the packages' tests beside each other. A cache that cannot be made is told
# by the step that needs it.
if mkdir -p "$cache" 2>/dev/null && [ -w "$cache" ]; then
	exec 9>"$cache/.install.lock"
	flock 9
fi
all
