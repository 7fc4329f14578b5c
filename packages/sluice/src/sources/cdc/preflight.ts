/** What must be so on the server before a log of changes is read: the publication, and what names the rows of its tables. */
import type pg from 'pg'
import { type SluiceError, sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { Cursor } from './cursor.ts'
import { type Published, type PublishedTable, publishedTables, type TableAccess } from './published-tables.ts'
import { type Layout, layoutsOf } from './server/layout.ts'
import { parseTableName } from './wire/relation.ts'

/** The captured tables, as they are published. */
export interface Captured extends Published {
  /** Whether the publication is there. */
  readonly exists: boolean
  /** The server's number of it; undefined where it is not there. */
  readonly oid: string | undefined
  /** Whether this user may alter and drop it. */
  readonly isOwned: boolean
  /** What is published of each: digests for the cursor. */
  readonly digests: ReadonlyMap<string, string>
  /** Columns of the captured tables, as the catalog has them. */
  readonly layouts: ReadonlyMap<string, Layout>
  /** Published tables that the source does not capture: what changes in them is sent for nothing. */
  readonly beside: readonly string[]
  /** What a log needs and the publication does not do, in words. */
  readonly misfits: readonly string[]
  /** Captured tables that have another name now, and that name. */
  readonly renamed: ReadonlyMap<string, string>
  /** Captured tables that are not published, and what the server has under that name: `a table`, `a view`. */
  readonly unpublished: ReadonlyMap<string, { readonly found: string | undefined }>
}

const operations = ['insert', 'update', 'delete', 'truncate'] as const

// What was altered and altered back has lost what happened between: `xmin` tells, where the content is the same again.
const publicationSql = `SELECT oid, xmin, pubinsert, pubupdate, pubdelete, to_jsonb(p) ->> 'pubtruncate' AS pubtruncate,
    to_jsonb(p) ->> 'pubviaroot' AS pubviaroot, pg_has_role(pubowner, 'USAGE') AS owned FROM pg_publication p WHERE pubname = $1`

const columnListsSql = `SELECT r.prrelid AS oid, r.xmin, to_jsonb(r) ->> 'prattrs' AS attributes
  FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid WHERE p.pubname = $1`

// From version 15.
const schemasSql = `SELECT n.nspname AS schema, s.xmin FROM pg_publication_namespace s JOIN pg_publication p ON p.oid = s.pnpubid
  JOIN pg_namespace n ON n.oid = s.pnnspid WHERE p.pubname = $1`
const hasSchemasSql = `SELECT to_regclass('pg_catalog.pg_publication_namespace') IS NOT NULL AS "has"`

/** Schemas that are published as a whole, and since when. */
async function publishedSchemas(client: pg.Client, publication: string): Promise<ReadonlyMap<string, string>> {
  const { rows: known } = await client.query<{ has: string }>(hasSchemasSql)
  if (known[0]?.has !== 't') return new Map()
  const { rows } = await client.query<{ schema: string; xmin: string }>(schemasSql, [publication])
  return new Map(rows.map(({ schema, xmin }) => [schema, xmin]))
}

/**
 * Asks the catalog for the tables of a source.
 *
 * @example const { tables, misfits } = await capturedTables(client, source, cursor)
 * @param cursor a table that it knows is followed by the server's number of it, where none has its name
 */
export async function capturedTables(
  client: pg.Client,
  source: CdcSource,
  cursor?: Pick<Cursor, 'relations'>,
): Promise<Captured> {
  const { publication } = source
  const { rows } = await client.query<{ [column: string]: string | null }>(publicationSql, [publication])
  const { owned = null, oid, ...options } = rows[0] ?? {}
  if (rows.length === 0)
    return {
      ...{
        tables: [],
        types: new Map(),
        keys: new Map(),
        digests: new Map(),
        layouts: new Map(),
        beside: [],
        unpublished: new Map(),
        renamed: new Map(),
        exists: false,
        oid: undefined,
        isOwned: false,
      },
      misfits: [`there is no publication "${publication}"`],
    }
  const found = await publishedTables(client, publication)
  const { published, renamed } = followed(found, source, cursor?.relations ?? {})
  const lists = await client.query<{ oid: string; xmin: string; attributes: string | null }>(columnListsSql, [
    publication,
  ])
  const listOf = new Map(lists.rows.map(({ oid, ...list }) => [Number(oid), list]))
  const schemas = await publishedSchemas(client, publication)
  const isCaptured = ({ relation }: PublishedTable): boolean => source.tables.includes(relation.table)
  const tables = published.tables.filter(isCaptured)
  const beside = published.tables.filter((one) => !isCaptured(one)).map(({ relation }) => relation.table)
  const digests = tables.map(({ relation, schema, rowFilter }): [string, string] => {
    // A table that is published with its schema, or with all others, stays so when it is dropped and made again: it is another one, and nothing says
    // that the rows of the first are gone.
    const columns = listOf.get(relation.id) ?? { table: relation.id, schema: schemas.get(schema) ?? null }
    return [relation.table, digest({ ...options, rowFilter: rowFilter ?? null, columns }).slice(0, 16)]
  })
  const isOn = (flag: string | null | undefined): boolean => flag === 't' || flag === 'true'
  const missing = source.tables.filter((table) => !tables.some(({ relation }) => relation.table === table))
  const misfits = [
    ...operations.filter((one) => !isOn(options[`pub${one}`])).map((one) => `it does not publish ${one}`),
    ...missing.map((table) => `it does not publish ${table}`),
  ]
  const unpublished = new Map<string, { readonly found: string | undefined }>()
  for (const table of missing) unpublished.set(table, { found: await tableKind(client, table) })
  const byId = await layoutsOf(
    client,
    tables.map(({ relation }) => relation.id),
  )
  const layouts = new Map(
    tables.flatMap(({ relation: { id, table } }) => (byId.has(id) ? [[table, byId.get(id)!] as const] : [])),
  )
  const known = { tables, layouts, beside, digests: new Map(digests), misfits, unpublished, renamed }
  return { ...published, ...known, exists: true, oid: oid ?? undefined, isOwned: isOn(owned) }
}

/** Published tables under the names that the source has for them. */
function followed(
  published: Published,
  source: CdcSource,
  relations: NonNullable<Cursor['relations']>,
): { readonly published: Published; readonly renamed: ReadonlyMap<string, string> } {
  const names = new Set(published.tables.map(({ relation }) => relation.table))
  const lost = source.tables.flatMap((table): [number, string][] =>
    names.has(table) || relations[table] === undefined ? [] : [[relations[table], table]],
  )
  const nameOf = new Map(lost)
  const renamed = new Map<string, string>()
  const keys = new Map(published.keys)
  const tables = published.tables.map((one) => {
    const table = nameOf.get(one.relation.id)
    if (table === undefined || source.tables.includes(one.relation.table)) return one
    renamed.set(table, one.relation.table)
    const key = keys.get(one.relation.table)
    if (key !== undefined) keys.set(table, key)
    return { ...one, relation: { ...one.relation, table } }
  })
  return { published: { ...published, tables, keys }, renamed }
}

/**
 * Names relations of a stream by their numbers: a captured table keeps its name whatever it is called meanwhile, and another that has borrowed the name
 * does not get it.
 *
 * @example pgoutputDecoder(captured.keys, relationNames(captured))
 */
export function relationNames({ tables }: Pick<Captured, 'tables'>): (id: number, table: string) => string {
  const byId = new Map(tables.map(({ relation }) => [relation.id, relation.table]))
  const taken = new Set(byId.values())
  return (id, table) => byId.get(id) ?? (taken.has(table) ? `${table} (${id})` : table)
}

/** Rows that a query of a captured table has and its changes have not. */
export interface RowsLeftOut {
  readonly table: string
  /** In words. */
  readonly why: string
  /** Whether the publication says so. */
  readonly isDeclared: boolean
}

/**
 * Looks for rows that a query of a captured table has and its changes have not.
 *
 * @example rowsLeftOut(source, captured) // [{ table: 'public.t', why: 'only rows where (id < 3) are published', isDeclared: true }]
 */
export function rowsLeftOut(
  { tables: captured }: Pick<CdcSource, 'tables'>,
  { tables }: Pick<Captured, 'tables'>,
): readonly RowsLeftOut[] {
  return tables.flatMap(({ relation: { table }, rowFilter, children }): RowsLeftOut[] => {
    const others = children.filter((child) => !captured.includes(child))
    const inherited = `rows of tables that inherit from it (${others.join(', ')}) are not in its changes: capture those tables, too`
    return [
      ...(rowFilter === undefined
        ? []
        : [{ table, why: `only rows where ${rowFilter} are published`, isDeclared: true }]),
      ...(others.length === 0 ? [] : [{ table, why: inherited, isDeclared: false }]),
    ]
  })
}

async function tableKind(client: pg.Client, table: string): Promise<string | undefined> {
  const { schema, name } = parseTableName(table)
  const { rows } = await client.query<{ kind: string }>(
    `SELECT CASE c.relkind WHEN 'v' THEN 'a view' WHEN 'm' THEN 'a materialized view' WHEN 'f' THEN 'a foreign table'
       ELSE CASE c.relpersistence WHEN 'u' THEN 'unlogged' ELSE 'a table' END END AS kind
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')`,
    [schema, name],
  )
  return rows[0]?.kind
}

/**
 * Tables that cannot be read as they stand, and why. What is wrong with one is not wrong with the others.
 *
 * @example const refused = tableRefusals(source, await capturedTables(client, source), cursor)
 * @param copied tables that are copied as a whole, whatever the cursor says of them; without a cursor all are
 * @returns errors Source.PublicationUnfit, Source.TableMissing, Source.PublicationChanged, Source.TableNotCopied, Source.ReplicaIdentity,
 *   Source.TableDenied, Source.RowsHidden
 * @throws Source.PublicationUnfit where nothing can be read
 */
export function tableRefusals(
  source: CdcSource,
  captured: Captured,
  cursor: Cursor | undefined,
  copied: ReadonlySet<string> = new Set(),
): ReadonlyMap<string, SluiceError> {
  const { connection, publication } = source
  const unfit = (why: readonly string[]): SluiceError =>
    sluiceError('Source.PublicationUnfit', { connection, publication, why })
  if (!captured.exists || captured.misfits.length > captured.unpublished.size) throw unfit(captured.misfits)
  const refused = new Map<string, SluiceError>()
  for (const [table, { found }] of captured.unpublished)
    refused.set(
      table,
      found === 'a table'
        ? unfit([`it does not publish ${table}`])
        : sluiceError('Source.TableMissing', { table, connection, ...(found && { found }) }),
    )
  for (const { relation, access } of captured.tables) {
    const { table } = relation
    const known = cursor?.published[table]
    // An identity that is said to be an index may have lost it.
    if (relation.key.length === 0) refused.set(table, sluiceError('Source.ReplicaIdentity', { table }))
    else if (cursor === undefined || copied.has(table)) {
      const denied = accessRefusal(table, connection, access)
      if (denied !== undefined) refused.set(table, denied)
    } else if (known === undefined) refused.set(table, sluiceError('Source.TableNotCopied', { table }))
    else if (known !== captured.digests.get(table))
      refused.set(table, sluiceError('Source.PublicationChanged', { connection, publication, table }))
    else if ((cursor.relations?.[table] ?? relation.id) !== relation.id)
      refused.set(table, sluiceError('Source.TableStale', { table, why: 'another table has its name now' }))
  }
  return refused
}

/** What keeps the connection's user from reading all of a table. */
function accessRefusal(
  table: string,
  connection: string,
  { schema, rows, isFiltered }: TableAccess,
): SluiceError | undefined {
  const missing = [...(schema ? [] : ['USAGE of its schema']), ...(rows ? [] : ['SELECT of it'])]
  if (missing.length > 0)
    return sluiceError('Source.TableDenied', { table, connection, why: `it has not ${missing.join(' and ')}` })
  return isFiltered ? sluiceError('Source.RowsHidden', { table, connection }) : undefined
}

/**
 * The captured tables without those that are refused.
 *
 * @example readable(captured, tableRefusals(source, captured, cursor))
 * @throws the first refusal, where no table is left
 */
export function readable(captured: Captured, refused: ReadonlyMap<string, SluiceError>): Captured {
  const tables = captured.tables.filter(({ relation }) => !refused.has(relation.table))
  const [first] = refused.values()
  if (tables.length === 0 && first !== undefined) throw first
  return { ...captured, tables, digests: new Map([...captured.digests].filter(([table]) => !refused.has(table))) }
}
