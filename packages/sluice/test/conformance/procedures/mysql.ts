/** MariaDB with the suite's procedures. */

import type { ConnectionSettings } from '../../../src/connections/connection.ts'
import { mysqlConnector } from '../../../src/connections/mysql/connector.ts'
import { type MariaDbServer, missingMariaDb, startMariaDb } from '../../servers/mariadb.ts'
import type { ServerKind, TypeCase } from './server.ts'

const user = 'reader'
const password = 'Reader-Secret-1'

const types: readonly TypeCase[] = [
  { declared: 'tinyint', type: 'tinyint', values: ['-128', '0', '127'] },
  { declared: 'tinyint unsigned', type: 'smallint', values: ['0', '255'] },
  { declared: 'smallint', type: 'smallint', values: ['-32768', '32767'] },
  { declared: 'smallint unsigned', type: 'integer', values: ['65535'] },
  { declared: 'mediumint', type: 'integer', values: ['-8388608', '8388607'] },
  { declared: 'mediumint unsigned', type: 'integer', values: ['16777215'] },
  { declared: 'int', type: 'integer', values: ['-2147483648', '2147483647'] },
  { declared: 'int unsigned', type: 'bigint', values: ['4294967295'] },
  { declared: 'bigint', type: 'bigint', values: ['-9223372036854775808', '9007199254740993', '9223372036854775807'] },
  { declared: 'bigint unsigned', type: 'decimal(20,0)', values: ['0', '18446744073709551615'] },
  {
    declared: 'decimal(38,18)',
    type: 'decimal(38,18)',
    values: ['-12345678901234567890.123456789012345678', '0.000000000000000001', '0.100000000000000000'],
  },
  { declared: 'decimal(5,0) unsigned', type: 'decimal(5,0)', values: ['0', '99999'] },
  {
    declared: 'decimal(65,30)',
    type: 'text',
    values: ['12345678901234567890123456789012345.123456789012345678901234567890'],
  },
  { declared: 'float', type: 'real', values: ['1.2345679', '-3.4028233e+38', '1e-45', '16777216', '0.1'] },
  {
    declared: 'double',
    type: 'float',
    values: ['0.1', '1.7976931348623157e+308', '5e-324', '-123456789.12345679', '1e+21'],
  },
  { declared: 'date', type: 'date', values: ['1000-01-01', '2024-02-29', '9999-12-31'] },
  { declared: 'datetime', type: 'timestamp', values: ['2024-03-10 02:30:00', '9999-12-31 23:59:59'] },
  { declared: 'datetime(3)', type: 'timestamp', values: ['2024-03-31 02:30:00.120'] },
  {
    declared: 'datetime(6)',
    type: 'timestamp',
    values: ['1000-01-01 00:00:00.000000', '2024-02-29 23:59:59.999999', '2024-03-31 02:30:00.000001'],
  },
  {
    declared: 'timestamp(6)',
    type: 'timestamptz',
    values: [
      '1970-01-01 00:00:01.000000+00:00',
      '2024-10-27 01:30:00.123456+00:00',
      '2038-01-19 03:14:07.999999+00:00',
    ],
  },
  { declared: 'time(6)', type: 'time', values: ['00:00:00.000000', '23:59:59.999999', '-838:59:58.000001'] },
  { declared: 'year', type: 'smallint', values: ['1901', '2155'] },
  { declared: 'bit(1)', type: 'boolean', values: ['true', 'false'] },
  { declared: 'bit(64)', type: 'decimal(20,0)', values: ['0', '5', '18446744073709551615'] },
  { declared: 'char(5)', type: 'text', values: ['', 'é𝄞'] },
  {
    declared: 'varchar(300)',
    type: 'text',
    values: ['', ' spaces ', '\\ \' " ` % _ \n\t\u0000', '𝄞🇹🇷e\u0301\ufffd', 'x'.repeat(300)],
  },
  { declared: 'longtext', type: 'text', values: ['', 'long '.repeat(60_000)] },
  { declared: 'varbinary(300)', type: 'binary', values: ['', '00ff7f80', 'ab'.repeat(300)] },
  { declared: 'longblob', type: 'binary', values: ['', '00', 'c3'.repeat(70_000)] },
  { declared: "enum('a','b ''c')", serverType: 'enum', type: 'text', values: ['a', "b 'c"] },
  { declared: "set('x','y')", serverType: 'set', type: 'text', values: ['', 'x,y'] },
  { declared: 'json', type: 'json', values: ['{"a": 12345678901234567890.10, "b": [null, "\\u00e9"]}'] },
  { declared: 'uuid', type: 'uuid', values: ['00112233-4455-6677-8899-aabbccddeeff'] },
  { declared: 'inet6', type: 'text', values: ['::1', '2001:db8::ff00:42:8329'] },
]

const oddNames = [
  'x"];DROP TABLE kept',
  "it's",
  '`back``tick`',
  '`a.b`',
  '[bracket]',
  'Ünïcode 名',
  'select',
  '-- comment',
  `${'n'.repeat(64)}`,
]

const quote = (name: string): string => `\`${name.replaceAll('`', '``')}\``

function typeProcedures(): string[] {
  return types.flatMap(({ declared, type, values }, index) => {
    const literal = (value: string): string => {
      if (type === 'binary') return `x'${value}'`
      if (type === 'boolean' || declared.startsWith('bit')) return value
      const bytes = Buffer.from(value.replace('+00:00', '')).toString('hex')
      return `CONVERT(x'${bytes}' USING utf8mb4)`
    }
    return [
      `CREATE TABLE types_${index} (n INT AUTO_INCREMENT PRIMARY KEY, value ${declared} NULL)`,
      ...[...values.map(literal), 'NULL'].map((value) => `INSERT INTO types_${index} (value) VALUES (${value})`),
      `CREATE PROCEDURE types_${index}() SELECT value FROM types_${index} ORDER BY n`,
      `CREATE PROCEDURE echo_${index}(IN value ${declared}) BEGIN
        CREATE TEMPORARY TABLE echo (value ${declared} NULL); INSERT INTO echo VALUES (value);
        SELECT echo.value FROM echo; DROP TEMPORARY TABLE echo; END`,
    ]
  })
}

const procedures: readonly string[] = [
  `CREATE PROCEDURE many_rows(IN rows_wanted INT) SELECT seq AS id, CONCAT('label ', seq) AS label, CAST(seq / 7 AS DECIMAL(18,4)) AS amount
    FROM seq_1_to_500000 WHERE seq <= rows_wanted`,
  `CREATE PROCEDURE error_before() BEGIN SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken before'; SELECT 1 AS a; END`,
  `CREATE PROCEDURE error_between() BEGIN SELECT 1 AS a; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken between'; SELECT 2 AS a; END`,
  `CREATE PROCEDURE error_after() BEGIN SELECT 1 AS a UNION ALL SELECT 2; SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'broken after'; END`,
  `CREATE PROCEDURE error_within() SELECT seq AS a, IF(seq < 5000, 1, (SELECT seq UNION SELECT 0)) AS b FROM seq_1_to_10000`,
  `CREATE PROCEDURE messages() BEGIN SELECT 1 AS a; SIGNAL SQLSTATE '01000' SET MESSAGE_TEXT = 'only so that you know'; END`,
  `CREATE PROCEDURE nothing() SELECT 1 AS id, 'x' AS label LIMIT 0`,
  `CREATE PROCEDURE no_set() DO 1`,
  `CREATE PROCEDURE two_sets() BEGIN SELECT 1 AS a; SELECT 'x' AS b, 'y' AS c; END`,
  `CREATE PROCEDURE outputs(IN given INT, OUT total BIGINT, OUT said VARCHAR(50))
    BEGIN SELECT given AS id; SET total = 9007199254740993, said = 'done'; END`,
  `CREATE PROCEDURE wait_long() BEGIN SELECT 1 AS a; DO SLEEP(30); SELECT 2 AS a; END`,
  `CREATE PROCEDURE deadlock_victim() BEGIN SELECT 1 AS a; SIGNAL SQLSTATE '40001' SET MYSQL_ERRNO = 1213, MESSAGE_TEXT = 'Deadlock found'; END`,
  `CREATE PROCEDURE forbidden() SELECT 1 AS a`,
  `CREATE PROCEDURE short_text(IN value VARCHAR(10)) SELECT value`,
  `CREATE PROCEDURE long_text(IN value LONGTEXT) SELECT value`,
  `CREATE PROCEDURE session_settings() SELECT @@session.time_zone AS time_zone, @@session.character_set_client AS character_set_client, @@session.character_set_results AS character_set_results,
    IF(@@session.autocommit, '1', '0') AS autocommit, IF(IS_FREE_LOCK('kept'), 'free', 'held') AS locks`,
  `CREATE PROCEDURE changes_session() BEGIN SET SESSION time_zone = '+05:00', autocommit = 0, character_set_results = latin1; DO GET_LOCK('kept', 0); END`,
  'CREATE TABLE kept (a INT)',
]

async function prepare(server: MariaDbServer): Promise<void> {
  const client = await server.superuserClient()
  const named = oddNames.map(
    (name) => `CREATE PROCEDURE ${name.startsWith('`') ? name : quote(name)}() SELECT 'found' AS answer`,
  )
  const setUp = [
    "SET sql_mode = '', time_zone = '+00:00'",
    ...typeProcedures(),
    ...procedures,
    ...named,
    `CREATE USER ${user}@'127.0.0.1' IDENTIFIED BY '${password}'`,
  ]
  // Other settings than ours: the server's own must not be seen (SR-14).
  const strange = ["SET GLOBAL time_zone = '-07:00'", "SET GLOBAL sql_mode = 'ANSI_QUOTES,NO_BACKSLASH_ESCAPES'"]
  try {
    for (const statement of setUp) await client.query(statement)
    const [rows] = await client.query(
      "SELECT routine_name AS name FROM information_schema.routines WHERE routine_schema = 'erp'",
    )
    for (const { name } of rows as { name: string }[])
      if (name !== 'forbidden')
        await client.query(`GRANT EXECUTE ON PROCEDURE erp.${quote(name)} TO ${user}@'127.0.0.1'`)
    for (const statement of strange) await client.query(statement)
  } finally {
    await client.end()
  }
}

function settingsOf({ host, port, database }: MariaDbServer): ConnectionSettings {
  const tls = 'off'
  return { name: 'shop', kind: 'mysql', host, port, database, user, password, tls, connectTimeoutSeconds: 10 }
}

/** Every statement that may be seen, whole. */
const ownStatements: readonly RegExp[] = [
  /^SET SESSION (\w+ = (utf8mb4|\d+|'[A-Z0-9_,+:]+')(,\s+|$))+$/,
  /^SELECT (CAST\(\? AS [A-Z]+(\(\d+(,\d+)?\))?\)(, )?)+$/,
  /^SELECT parameter_name, [a-z_,\s]+ FROM information_schema\.parameters\s+WHERE specific_schema = COALESCE\(\?, database\(\)\) AND specific_name = \? AND routine_type = 'PROCEDURE' ORDER BY ordinal_position$/,
  /^SELECT routine_schema, routine_name, routine_schema = database\(\) FROM information_schema\.routines[^?]+\? IS NULL OR routine_schema = COALESCE\(\?, database\(\)\) AND routine_name = \?\) ORDER BY 1, 2$/,
  /^CALL `(long_text|two_sets|outputs)`\((\?(, \?)*)?\)$/,
  /^SHOW WARNINGS$/,
]

/** What COM_QUERY (3) and COM_STMT_PREPARE (22) hold; each command is one packet that begins a new sequence. */
function statements(sent: Buffer): readonly string[] {
  const texts: string[] = []
  for (let at = 0; at < sent.length; ) {
    const length = sent.readUIntLE(at, 3)
    const [sequence, command] = [sent[at + 3], sent[at + 4] as number]
    const text = sent.toString('utf8', at + 5, at + 4 + length)
    // CLIENT_QUERY_ATTRIBUTES is MySQL's: MariaDB's COM_QUERY is the text alone.
    if (sequence === 0 && (command === 3 || command === 22)) texts.push(text)
    at += 4 + length
  }
  return texts
}

/** MariaDB, from the distribution's package. */
export const mysql: ServerKind = {
  name: 'mysql (MariaDB)',
  connector: mysqlConnector,
  missing: missingMariaDb,
  start: async () => {
    const server = await startMariaDb()
    await prepare(server)
    return {
      settings: settingsOf(server),
      types,
      parameter: (name) => name,
      oddNames,
      session: {
        time_zone: '+00:00',
        character_set_client: 'utf8mb4',
        character_set_results: 'utf8mb4',
        autocommit: '1',
        locks: 'free',
      },
      errorCodes: { before: '1644', between: '1644', after: '1644', within: '1242' },
      cutsLongValues: true,
      knowsDatabases: true,
      statements,
      ownStatements,
      stop: server.stop,
    }
  },
  startTls: async (certificate) => {
    const server = await startMariaDb({ tls: certificate })
    const client = await server.superuserClient()
    await client.query(`CREATE USER ${user}@'127.0.0.1' IDENTIFIED BY '${password}'`)
    await client.query(`GRANT EXECUTE ON erp.* TO ${user}@'127.0.0.1'`)
    await client.end()
    return { settings: { ...settingsOf(server), host: 'localhost' }, stop: server.stop }
  },
}
