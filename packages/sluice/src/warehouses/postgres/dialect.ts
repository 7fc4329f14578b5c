/** PostgreSQL's own spellings. https://www.postgresql.org/docs/current/datatype.html */
import { sluiceError } from '../../base/errors.ts'
import { quoteIdentifier, quoteName } from '../../sql/quote.ts'
import type { Dialect } from '../dialect.ts'

/** Engine type → PostgreSQL's type that holds each of its values exactly, and the engine type that it is found as. */
const types: { readonly [engineType: string]: readonly [postgres: string, heldAs: string] } = {
  BOOLEAN: ['boolean', 'BOOLEAN'],
  TINYINT: ['smallint', 'SMALLINT'],
  UTINYINT: ['smallint', 'SMALLINT'],
  SMALLINT: ['smallint', 'SMALLINT'],
  USMALLINT: ['integer', 'INTEGER'],
  INTEGER: ['integer', 'INTEGER'],
  UINTEGER: ['bigint', 'BIGINT'],
  BIGINT: ['bigint', 'BIGINT'],
  UBIGINT: ['numeric(20,0)', 'DECIMAL(20,0)'],
  HUGEINT: ['numeric(39,0)', 'HUGEINT'],
  FLOAT: ['real', 'FLOAT'],
  DOUBLE: ['double precision', 'DOUBLE'],
  VARCHAR: ['text', 'VARCHAR'],
  // As text: `jsonb` would drop repeated keys and the order of keys, and `json` cannot be compared.
  JSON: ['text', 'VARCHAR'],
  BLOB: ['bytea', 'BLOB'],
  UUID: ['uuid', 'UUID'],
  DATE: ['date', 'DATE'],
  TIME: ['time without time zone', 'TIME'],
  TIMESTAMP: ['timestamp without time zone', 'TIMESTAMP'],
  TIMESTAMP_S: ['timestamp without time zone', 'TIMESTAMP'],
  TIMESTAMP_MS: ['timestamp without time zone', 'TIMESTAMP'],
  'TIMESTAMP WITH TIME ZONE': ['timestamp with time zone', 'TIMESTAMP WITH TIME ZONE'],
}

/**
 * The dialect of a schema. Sluice's own tables are in a schema beside it, so that two schemas of one database may have targets of one name.
 *
 * @example postgresDialect('public').ownSchema // '"sluice"'
 */
export function postgresDialect(schema: string): Dialect {
  return {
    name: 'postgres',
    maxIdentifierBytes: 63,
    // A ctid is that of one partition.
    rowAddress: ['ctid', 'tableoid'],
    // The addresses come in the order of the table, so that each page is looked for once; the planner takes each for a random read.
    byAddress: {
      before: 'SET LOCAL random_page_cost = 0.1; SET LOCAL enable_memoize = off',
      after: 'SET LOCAL random_page_cost TO DEFAULT; SET LOCAL enable_memoize TO DEFAULT',
    },
    countsByScan: true,
    // A row that is changed stays on its page then, and no index has to be told.
    roomForUpdates: 'WITH (fillfactor = 90)',
    ownSchema: quoteIdentifier(ownSchemaName(schema)),
    table: (target) =>
      target.includes('.') ? quoteName(target) : `${quoteIdentifier(schema)}.${quoteIdentifier(target)}`,
    // A session of a pooler is somebody else's after the COMMIT.
    working: { schema: 'pg_temp', untilCommit: 'ON COMMIT DROP' },
    columnType: (engineType) => typeOf(engineType)[0],
    heldAs: (engineType) => typeOf(engineType)[1],
    differs: (a, b) => `${a} IS DISTINCT FROM ${b}`,
    // A row that is written by hand, or put back, has another transaction. Where the ledger's own row has another one than it was written by, the
    // database was restored from a copy, and so have all rows.
    rowDigest: (_, condition) =>
      `CAST(sum(CASE WHEN ${condition} THEN CAST(CAST(xmin AS text) AS bigint) END) AS VARCHAR)`,
    digestMaker: 'CAST(txid_current() % 4294967296 AS VARCHAR)',
    digestsOf: 'CAST(t.xmin AS VARCHAR)',
    // Seconds are exact decimals here, with six digits.
    instantText: (expression) => `CAST(CAST(extract(epoch FROM ${expression}) * 1000000 AS bigint) AS VARCHAR)`,
    // How many rows there are, and how many values of each column: a tenth of the usual sample tells.
    statistics: (table) =>
      `SET LOCAL default_statistics_target = 10; ANALYZE ${table}; SET LOCAL default_statistics_target TO DEFAULT`,
  }
}

/**
 * The schema of Sluice's own tables.
 *
 * @example ownSchemaName('mart') // 'sluice_mart'
 */
export function ownSchemaName(schema: string): string {
  return schema === 'public' ? 'sluice' : `sluice_${schema}`
}

/**
 * The engine's name of a type that PostgreSQL reports, where the engine has it; else PostgreSQL's own, in capitals, which equals none.
 *
 * @example engineTypeOf('numeric(12,2)') // 'DECIMAL(12,2)'
 */
export function engineTypeOf(formatted: string): string {
  const numeric = /^numeric\((\d+),(\d+)\)$/.exec(formatted)
  if (numeric !== null && Number(numeric[1]) <= 38) return `DECIMAL(${numeric[1]},${numeric[2]})`
  const varchar = /^character varying(\(\d+\))?$/.exec(formatted)
  if (varchar !== null) return `VARCHAR${varchar[1] ?? ''}`
  const timestamp = /^timestamp\(([036])\) without time zone$/.exec(formatted)
  if (timestamp !== null) return { 0: 'TIMESTAMP_S', 3: 'TIMESTAMP_MS' }[timestamp[1] as string] ?? 'TIMESTAMP'
  return Object.values(types).find(([postgres]) => postgres === formatted)?.[1] ?? formatted.toUpperCase()
}

/**
 * The engine type as which a query reads a column: text, where the engine has no type for all of its values.
 *
 * @example readType('jsonb') // 'VARCHAR'
 */
export function readType(formatted: string): string {
  const type = engineTypeOf(formatted)
  const isKnown =
    /^(DECIMAL|VARCHAR)\(|^TIMESTAMP_/.test(type) || Object.values(types).some(([, heldAs]) => heldAs === type)
  return isKnown ? type : 'VARCHAR'
}

/**
 * A text that PostgreSQL wrote, as the engine's value.
 *
 * @example readExpression('BLOB', 'c') // 'unhex(substr(c, 3))'
 */
export function readExpression(type: string, text: string): string {
  if (type === 'VARCHAR') return text
  if (type === 'BLOB') return `unhex(substr(${text}, 3))`
  if (type.startsWith('DATE') || type.startsWith('TIMESTAMP'))
    return `CAST(regexp_replace(${text}, '^([^ ]+)(.*) BC$', '\\1 (BC)\\2') AS ${type})`
  return `CAST(${text} AS ${type})`
}

/**
 * An engine's value as the text that PostgreSQL reads as the same value; NULL stays NULL.
 *
 * @example valueText('BLOB', 'b') // "'\\x' || hex(b)"
 */
export function valueText(engineType: string, value: string): string {
  if (engineType === 'BLOB') return `'\\x' || hex(${value})`
  // DuckDB writes years before Christ as `(BC)`.
  if (engineType.startsWith('DATE') || engineType.startsWith('TIMESTAMP'))
    return `replace(CAST(${value} AS VARCHAR), '(BC)', 'BC')`
  return `CAST(${value} AS VARCHAR)`
}

function typeOf(engineType: string): readonly [string, string] {
  if (engineType.startsWith('DECIMAL(')) return [engineType.replace('DECIMAL', 'numeric'), engineType]
  const found = types[engineType.startsWith('ENUM(') ? 'VARCHAR' : engineType]
  if (found === undefined) throw sluiceError('Warehouse.TypeUnknown', { type: engineType, warehouse: 'PostgreSQL' })
  return found
}
