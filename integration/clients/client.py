"""Runs statements through pymysql and prints all that comes back."""

import hashlib
import os
import sys

import pymysql
import pymysql.cursors

CODE = {}


def remember_state(original):
    """pymysql drops the SQLSTATE of an error: keep it for the transcript."""

    def wrapped(data):
        CODE["state"] = data[4:9].decode() if data[3:4] == b"#" else "none"
        return original(data)

    return wrapped


pymysql.err.raise_mysql_exception = remember_state(pymysql.err.raise_mysql_exception)


def short(value):
    raw = value if isinstance(value, bytes) else str(value).encode()
    if len(raw) <= 200:
        return repr(value)
    return f"{type(value).__name__} of {len(raw)} bytes {hashlib.sha256(raw).hexdigest()}"


def show(cursor):
    """Prints every result of what the cursor ran."""
    while True:
        result = cursor._result
        if cursor.description:
            for column in cursor.description:
                print("column", column)
            rows = hashlib.sha256()
            count = 0
            for row in cursor:
                line = ", ".join(short(v) for v in row)
                rows.update(line.encode())
                count += 1
                if count <= 20:
                    print("row", line)
            print("rows", count, rows.hexdigest())
        print("affected", cursor.rowcount, "id", cursor.lastrowid, "warnings", result.warning_count,
              "status", result.server_status, "message", result.message)
        if not cursor.nextset():
            return


def attempt(connection, statement, args=None, kind=pymysql.cursors.Cursor):
    print(">", short(statement), "with", None if args is None else [short(a) for a in args])
    try:
        with connection.cursor(kind) as cursor:
            cursor.execute(statement, args)
            show(cursor)
    except pymysql.err.MySQLError as e:
        print("error", type(e).__name__, CODE.pop("state", "of the client"), e.args)


def main():
    host, port, user, password, schema, statements, infile = sys.argv[1:]
    connection = pymysql.connect(
        host=host, port=int(port), user=user, password=password, database=schema, charset="utf8mb4",
        local_infile=True, client_flag=pymysql.constants.CLIENT.MULTI_STATEMENTS, max_allowed_packet=64 << 20,
        autocommit=None)
    with open(statements, encoding="utf-8") as f:
        for statement in f.read().split("\n", 1)[1].split("//\n"):
            if statement.strip():
                attempt(connection, statement.strip())

    print("== schema")
    connection.select_db("mysql")
    attempt(connection, "SELECT DATABASE()")
    connection.select_db("weir_a")
    try:
        connection.select_db("no_such_schema")
    except pymysql.err.MySQLError as e:
        print("error", type(e).__name__, CODE.pop("state"), e.args)
    connection.ping(reconnect=False)

    print("== several statements at once")
    attempt(connection, "SELECT 1; SELECT 2, 3; SET @a = 1; INSERT INTO kinds (vc) VALUES ('multi'); SELECT 4")
    attempt(connection, "SELECT 1; SELECT * FROM no_such_table; SELECT 2")
    attempt(connection, "SELECT 1; SELEC 2; SELECT 3")
    with connection.cursor() as cursor:
        cursor.callproc("several", (3, 0))
        show(cursor)
    attempt(connection, "SELECT @_several_0, @_several_1")

    print("== many rows, unbuffered")
    many = "SELECT a.n * 1000 + b.n AS n, REPEAT('y', b.n %% 50) FROM (" + \
        " UNION ALL ".join(f"SELECT {i} AS n" for i in range(100)) + ") a, (" + \
        " UNION ALL ".join(f"SELECT {i} AS n" for i in range(1000)) + ") b ORDER BY 1"
    attempt(connection, many, (), pymysql.cursors.SSCursor)
    with connection.cursor(pymysql.cursors.SSCursor) as cursor:  # left unread, which pymysql then reads away
        cursor.execute(many, ())
        print("first", cursor.fetchone())
    attempt(connection, "SELECT 'after'")

    print("== a local file")
    attempt(connection, "CREATE TABLE loaded (n INT PRIMARY KEY, t VARCHAR(100), d DECIMAL(10, 2))")
    load = "LOAD DATA LOCAL INFILE %s INTO TABLE loaded FIELDS TERMINATED BY ','"
    attempt(connection, load, (infile,))
    attempt(connection, load, (infile,))
    attempt(connection, load, (infile + ".no",))
    attempt(connection, "SELECT COUNT(*), SUM(n), SUM(LENGTH(t)), SUM(d) FROM loaded")

    print("== large values")
    attempt(connection, "CREATE TABLE large (id INT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)")
    for size in (16777214, 16777215, 16777216, 20 << 20):
        value = (b"0123456789abcdef\x00\xff'\\" * (size // 20 + 1))[:size]
        attempt(connection, "INSERT INTO large (v) VALUES (_binary %s)", (value,))
    attempt(connection, "SELECT id, LENGTH(v), v FROM large")
    attempt(connection, "SELECT REPEAT('z', 20 << 20), 1, REPEAT('w', 20 << 20)")
    # Packets whose payload ends exactly at a packet's limit are followed by an empty one.
    for payload in (16777214, 16777215, 16777216, 2 * 16777215):
        attempt(connection, "SELECT 1".ljust(payload - 1))
    connection.close()


main()
