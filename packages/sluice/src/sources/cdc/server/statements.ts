/** Statements that make a server ready for a log of changes, and those that remove what the log has there. */
import type { CdcSource } from '../../../definition/types.ts'
import { quoteIdentifier, quoteText } from '../../../sql/quote.ts'
import type { SlotState } from '../continuity.ts'
import type { Captured } from '../preflight.ts'
import { parseTableName } from '../wire/relation.ts'
import type { Facts, FoundTable } from './facts.ts'
import type { PublicationMark } from './names.ts'

/** A statement for the server. */
export interface Statement {
  readonly why: string
  readonly sql: string
  /** Whether this user may do it; otherwise an administrator must. */
  readonly allowed: boolean
}

/** What the server and its user need. @example serverStatements(await factsOf(client)) */
export function serverStatements({ walLevel, mayReplicate, isSuperuser, user }: Facts): readonly Statement[] {
  return [
    ...(walLevel === 'logical'
      ? []
      : [
          {
            why: 'Changes are in the log only then; the server must be started again',
            ...{ sql: `ALTER SYSTEM SET wal_level = 'logical'`, allowed: isSuperuser },
          },
        ]),
    ...(mayReplicate
      ? []
      : [{ why: 'To read changes', sql: `ALTER ROLE ${quoteIdentifier(user)} REPLICATION`, allowed: false }]),
  ]
}

const quoted = (table: string): string => {
  const { schema, name } = parseTableName(table)
  return `${quoteIdentifier(schema)}.${quoteIdentifier(name)}`
}

/** What makes the publication fit. @example publicationStatements(source, facts, captured, tables) */
export function publicationStatements(
  { publication }: CdcSource,
  { isSuperuser, mayCreate }: Facts,
  { misfits, exists, isOwned: isOurs }: Captured,
  tables: readonly FoundTable[],
): readonly Statement[] {
  const there = tables.filter((table) => table.exists)
  if (misfits.length === 0 || there.length === 0) return []
  const name = quoteIdentifier(publication)
  const allowed = isSuperuser || (there.every(({ isOwned }) => isOwned) && (exists ? isOurs : mayCreate))
  const viaRoot = there.some(({ isPartitioned }) => isPartitioned)
  if (!exists) {
    const list = there.map(({ table }) => quoted(table)).join(', ')
    const options = viaRoot ? ' WITH (publish_via_partition_root = true)' : ''
    return [{ why: 'What is captured', sql: `CREATE PUBLICATION ${name} FOR TABLE ${list}${options}`, allowed }]
  }
  const isSilent = misfits.some((misfit) => /publish (insert|update|delete|truncate)$/.test(misfit))
  // A partitioned table that is in the publication already is published as its partitions.
  const missing = there.filter(({ isPublished, isPartitioned }) => !isPublished && !isPartitioned)
  const roots = there.filter(({ isPublished, isPartitioned }) => !isPublished && isPartitioned)
  return [
    ...(isSilent
      ? [
          {
            why: 'Everything that happens to a row',
            ...{ sql: `ALTER PUBLICATION ${name} SET (publish = 'insert, update, delete, truncate')`, allowed },
          },
        ]
      : []),
    ...(roots.length === 0
      ? []
      : [
          {
            why: 'Partitioned tables under their own names',
            ...{ sql: `ALTER PUBLICATION ${name} SET (publish_via_partition_root = true)`, allowed },
          },
        ]),
    ...(missing.length === 0
      ? []
      : [
          {
            why: 'What is captured',
            ...{
              sql: `ALTER PUBLICATION ${name} ADD TABLE ${missing.map(({ table }) => quoted(table)).join(', ')}`,
              allowed,
            },
          },
        ]),
  ]
}

/** What the tables need. @example tableStatements(facts, tables) */
export function tableStatements({ user, isSuperuser }: Facts, tables: readonly FoundTable[]): readonly Statement[] {
  const bypass = {
    why: 'Row-level security hides rows from this user, and a copy needs all of them',
    ...{ sql: `ALTER ROLE ${quoteIdentifier(user)} BYPASSRLS`, allowed: isSuperuser },
  }
  const perTable = tables
    .filter(({ exists }) => exists)
    .flatMap(({ table, access, hasIdentity, isOwned }) => {
      const allowed = isSuperuser || isOwned
      return [
        ...(access.schema
          ? []
          : [
              {
                why: 'For the first copy',
                sql: `GRANT USAGE ON SCHEMA ${quoteIdentifier(parseTableName(table).schema)} TO ${quoteIdentifier(user)}`,
                allowed: isSuperuser,
              },
            ]),
        ...(access.rows
          ? []
          : [
              {
                why: 'For the first copy',
                sql: `GRANT SELECT ON ${quoted(table)} TO ${quoteIdentifier(user)}`,
                allowed,
              },
            ]),
        ...(hasIdentity
          ? []
          : [
              {
                why: 'Nothing else names its rows; a primary key is better',
                ...{ sql: `ALTER TABLE ${quoted(table)} REPLICA IDENTITY FULL`, allowed },
              },
            ]),
      ]
    })
  const isFiltered = tables.some(({ exists, access }) => exists && access.isFiltered)
  return [...new Map(perTable.map((one) => [one.sql, one])).values(), ...(isFiltered ? [bypass] : [])]
}

/**
 * What removes from the server what a log has there: the slot first, since it makes the server keep its log.
 *
 * @param made the publication that the project has made: another may be read by another project
 * @example const statements = dropStatements(source, await inspect(client, source), mark)
 */
export function dropStatements(
  { slot, publication }: CdcSource,
  found: { readonly slot: SlotState | undefined; readonly captured: Captured },
  made: PublicationMark | undefined,
): readonly Statement[] {
  return [
    ...(found.slot === undefined
      ? []
      : [
          {
            why: 'The server keeps its log for it',
            ...{ sql: `SELECT pg_drop_replication_slot(${quoteText(slot)})`, allowed: true },
          },
        ]),
    ...(found.captured.exists && made?.publication === publication && made.oid === found.captured.oid
      ? [
          {
            why: 'This project has made it',
            sql: `DROP PUBLICATION ${quoteIdentifier(publication)}`,
            allowed: found.captured.isOwned,
          },
        ]
      : []),
  ]
}
