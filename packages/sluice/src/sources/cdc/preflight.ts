/** What must be so on the server before a log of changes is read: the publication, and what names the rows of its tables. */
import type pg from 'pg'
import { sluiceError } from '../../base/errors.ts'
import { digest } from '../../base/json.ts'
import type { CdcSource } from '../../definition/types.ts'
import type { Cursor } from './cursor.ts'
import { type Published, type PublishedTable, publishedTables } from './published-tables.ts'

/** The captured tables, as they are published. */
export interface Captured extends Published {
  /** Whether the publication is there. */
  readonly exists: boolean
  /** Whether this user may alter and drop it. */
  readonly isOwned: boolean
  /** What is published of each: digests for the cursor. */
  readonly digests: ReadonlyMap<string, string>
  /** Published tables that the source does not capture: what changes in them is sent for nothing. */
  readonly beside: readonly string[]
  /** What a log needs and the publication does not do, in words. */
  readonly misfits: readonly string[]
}

const operations = ['insert', 'update', 'delete', 'truncate'] as const

// What was altered and altered back has lost what happened between: `xmin` tells, where the content is the same again.
const publicationSql = `SELECT xmin, pubinsert, pubupdate, pubdelete, to_jsonb(p) ->> 'pubtruncate' AS pubtruncate,
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
 * @example const { tables, misfits } = await capturedTables(client, source)
 */
export async function capturedTables(client: pg.Client, source: CdcSource): Promise<Captured> {
  const { publication } = source
  const { rows } = await client.query<{ [column: string]: string | null }>(publicationSql, [publication])
  const { owned = null, ...found } = rows[0] ?? {}
  if (rows.length === 0)
    return {
      ...{
        tables: [],
        types: new Map(),
        keys: new Map(),
        digests: new Map(),
        beside: [],
        exists: false,
        isOwned: false,
      },
      misfits: [`there is no publication "${publication}"`],
    }
  const published = await publishedTables(client, publication)
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
    return [relation.table, digest({ ...found, rowFilter: rowFilter ?? null, columns }).slice(0, 16)]
  })
  const isOn = (flag: string | null | undefined): boolean => flag === 't' || flag === 'true'
  const missing = source.tables.filter((table) => !tables.some(({ relation }) => relation.table === table))
  const misfits = [
    ...operations.filter((one) => !isOn(found[`pub${one}`])).map((one) => `it does not publish ${one}`),
    ...missing.map((table) => `it does not publish ${table}`),
  ]
  return { ...published, tables, beside, digests: new Map(digests), misfits, exists: true, isOwned: isOn(owned) }
}

/**
 * Refuses to read where changes would be missing, or could not be told apart.
 *
 * @example assertPublished(source, await capturedTables(client, source), cursor)
 * @param except tables that are about to be compared as a whole
 * @throws Source.PublicationUnfit, Source.PublicationChanged, Source.TableNotCopied, Source.ReplicaIdentity
 */
export function assertPublished(
  source: CdcSource,
  captured: Captured,
  cursor: Cursor | undefined,
  except: ReadonlySet<string> = new Set(),
): void {
  const { connection, publication } = source
  const [misfit] = captured.misfits
  if (misfit !== undefined)
    throw sluiceError('Source.PublicationUnfit', { connection, publication, why: captured.misfits })
  for (const { relation } of captured.tables) {
    const { table } = relation
    // An identity that is said to be an index may have lost it.
    if (relation.key.length === 0) throw sluiceError('Source.ReplicaIdentity', { table })
    if (cursor === undefined || except.has(table)) continue
    const known = cursor.published[table]
    if (known === undefined) throw sluiceError('Source.TableNotCopied', { table })
    if (known !== captured.digests.get(table))
      throw sluiceError('Source.PublicationChanged', { connection, publication, table })
  }
}
