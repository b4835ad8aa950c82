// Runs statements through mysql2 and prints all that comes back.
'use strict';

const crypto = require('crypto');
const fs = require('fs');
const mysql = require('mysql2/promise');

const sha256 = (s) => crypto.createHash('sha256').update(s).digest('hex');

function short(value) {
  if (Buffer.isBuffer(value)) {
    return value.length <= 200 ? `x'${value.toString('hex')}'` : `${value.length} bytes ${sha256(value)}`;
  }
  const text = JSON.stringify(value, (_, v) => (typeof v === 'bigint' ? v.toString() : v));
  return text === undefined || text.length <= 200 ? text : `${text.length} characters ${sha256(text)}`;
}

function showOne(rows, fields) {
  if (!fields) {
    const { affectedRows, changedRows, insertId, info, serverStatus, warningStatus } = rows;
    console.log('affected', affectedRows, 'changed', changedRows, 'id', insertId, 'warnings', warningStatus, 'status',
      serverStatus, 'info', info);
    return;
  }
  for (const f of fields) {
    console.log('column', [f.name, f.orgName, f.table, f.orgTable, f.schema, f.characterSet, f.columnLength, f.columnType,
      f.flags, f.decimals].join(' | '));
  }
  const lines = rows.map((row) => row.map(short).join(', '));
  lines.slice(0, 20).forEach((line) => console.log('row', line));
  console.log('rows', lines.length, sha256(lines.join('\n')));
}

// show prints one result or, where the fields are a list of lists or have gaps, several.
function show([rows, fields]) {
  const several = Array.isArray(fields) && fields.some((f) => f === undefined || Array.isArray(f));
  if (several) {
    rows.forEach((r, i) => showOne(r, fields[i]));
  } else {
    showOne(rows, fields);
  }
}

async function attempt(connection, how, statement, values) {
  console.log('>', how, short(statement), values === undefined ? '' : 'with ' + values.map(short).join(', '));
  try {
    const options = { sql: statement, values, rowsAsArray: true };
    if (how === 'load') {
      options.infileStreamFactory = (path) => fs.createReadStream(path);
    }
    show(await (how === 'execute' ? connection.execute(options) : connection.query(options)));
  } catch (e) {
    console.log('error', e.errno, e.sqlState, e.message);
    if (how === 'execute' && e.errno === 1295) { // cannot be prepared; what follows needs what it does
      await attempt(connection, 'query', statement, values);
    }
  }
}

async function main() {
  const [host, port, user, password, database, statements, infile] = process.argv.slice(2);
  const connection = await mysql.createConnection({
    host, port: Number(port), user, password, database, multipleStatements: true, dateStrings: true,
    supportBigNumbers: true, bigNumberStrings: true,
  });
  const list = fs.readFileSync(statements, 'utf8').replace(/^.*\n/, '').split('//\n').map((s) => s.trim()).filter(Boolean);
  for (const how of ['query', 'execute']) {
    console.log('==', how);
    for (const statement of list) {
      await attempt(connection, how, statement);
    }
  }

  console.log('== prepared statements');
  await attempt(connection, 'execute', 'SELECT ?, ?, ?, ?, ?', [1, 'text', null, 1.5, Buffer.from([0, 255])]);
  for (let i = 0; i < 3; i++) {
    await attempt(connection, 'execute', 'SELECT ? + 1 AS n', [i]);
  }
  await attempt(connection, 'execute', 'INSERT INTO kinds (vc, dt, bl) VALUES (?, ?, ?)',
    ['grüße', '2024-02-29 01:02:03.000004', Buffer.from('blob')]);
  await attempt(connection, 'execute', 'SELECT * FROM kinds WHERE vc = ?', ['grüße']);
  await attempt(connection, 'execute', 'INSERT INTO kinds (id) VALUES (?)', [1]);
  await attempt(connection, 'execute', 'SELECT * FROM no_such_table WHERE id = ?', [1]);
  await attempt(connection, 'execute', 'CALL several(?, @total)', [5]);
  // More statements than mysql2 keeps prepared, so that it closes some.
  connection.unprepare('SELECT ? + 1 AS n');
  await attempt(connection, 'execute', 'SELECT ? + 1 AS n', [41]);

  console.log('== several statements at once');
  await attempt(connection, 'query', "SELECT 1; SELECT 2, 3; SET @a = 1; INSERT INTO kinds (vc) VALUES ('multi'); SELECT 4");
  await attempt(connection, 'query', 'SELECT 1; SELECT * FROM no_such_table; SELECT 2');

  console.log('== commands sent without waiting');
  const answers = await Promise.allSettled(Array.from({ length: 50 }, (_, i) =>
    i % 10 === 9 ? connection.query('SELECT * FROM no_such_table') : connection.execute(`SELECT ${i}, ?`, [i])));
  answers.forEach((a) => console.log(a.status, a.reason ? a.reason.message : JSON.stringify(a.value[0])));

  console.log('== a local file');
  await attempt(connection, 'query', 'CREATE TABLE loaded (n INT PRIMARY KEY, t VARCHAR(100), d DECIMAL(10, 2))');
  const load = "LOAD DATA LOCAL INFILE ? INTO TABLE loaded FIELDS TERMINATED BY ','";
  await attempt(connection, 'load', load, [infile]);
  await attempt(connection, 'load', load, [infile]);
  await attempt(connection, 'query', 'SELECT COUNT(*), SUM(n), SUM(LENGTH(t)), SUM(d) FROM loaded');

  console.log('== large values');
  await attempt(connection, 'query', 'CREATE TABLE large (id INT PRIMARY KEY AUTO_INCREMENT, v LONGBLOB)');
  const value = Buffer.alloc(20 << 20, "0123456789abcdef\x00'\\");
  await attempt(connection, 'query', 'INSERT INTO large (v) VALUES (?)', [value]);
  await attempt(connection, 'execute', 'INSERT INTO large (v) VALUES (?)', [value]);
  await attempt(connection, 'query', 'SELECT id, LENGTH(v), v FROM large');
  await attempt(connection, 'execute', 'SELECT id, LENGTH(v), v FROM large');

  console.log('== sessions');
  await connection.ping();
  await attempt(connection, 'query', 'SET @kept = 1');
  await connection.changeUser({ user, password, database: 'weir_a' });
  await attempt(connection, 'query', 'SELECT @kept, DATABASE(), CURRENT_USER()');
  await attempt(connection, 'execute', 'SELECT ? + 1 AS n', [1]);
  await attempt(connection, 'query', 'SET @kept = 1');
  await connection.reset();
  await attempt(connection, 'query', 'SELECT @kept, DATABASE(), CURRENT_USER()');
  await attempt(connection, 'execute', 'SELECT ? + 1 AS n', [2]);
  await connection.end();
}

main().catch((e) => {
  console.log('failed', e);
  process.exitCode = 1;
});
