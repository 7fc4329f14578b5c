/** Looks at everything that a log of changes needs of its server, one by one, and says what mends it; changes nothing. */
import { statfs } from 'node:fs/promises'
import { join } from 'node:path'
import type pg from 'pg'
import type { CdcSource } from '../../definition/types.ts'
import { quoteIdentifier, quoteText } from '../../sql/quote.ts'
import { readSlot, type SlotState } from './continuity.ts'
import { mib } from './lag.ts'
import { type Captured, capturedTables } from './preflight.ts'
import { accessOf, accessSql, type TableAccess } from './published-tables.ts'
import { openTransactions } from './slot-wait.ts'
import { parseTableName } from './wire/relation.ts'

/** How something stands. */
export interface Finding {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly detail: string
  readonly fix?: string
}

/** A statement for the server. */
export interface Statement {
  readonly why: string
  readonly sql: string
  /** Whether this user may do it; otherwise an administrator must. */
  readonly allowed: boolean
}

/** A captured table, as the server has it. */
export interface FoundTable {
  readonly table: string
  readonly exists: boolean
  readonly isPublished: boolean
  readonly isPartitioned: boolean
  readonly isOwned: boolean
  readonly access: TableAccess
  /** Whether something names its rows. */
  readonly hasIdentity: boolean
}

/** What was found. */
export interface Inspection {
  readonly findings: readonly Finding[]
  /** What mends it, in order. */
  readonly statements: readonly Statement[]
  readonly tables: readonly FoundTable[]
  readonly captured: Captured
  readonly slot: SlotState | undefined
}

interface Facts {
  readonly user: string
  readonly version: number
  readonly walLevel: string
  readonly isSuperuser: boolean
  readonly mayReplicate: boolean
  readonly mayCreate: boolean
  readonly keepSize: string
  /** Bytes that are free where the server writes its log; undefined where that cannot be seen from here. */
  readonly freeDisk: number | undefined
  readonly freeSlots: number
  readonly freeSenders: number
}

const factsSql = `
  SELECT current_user AS user, current_setting('server_version_num') AS version, current_setting('wal_level') AS wal_level,
    r.rolsuper AS superuser,
    r.rolsuper OR r.rolreplication OR EXISTS (SELECT 1 FROM pg_roles g WHERE g.rolname = 'rds_replication' AND pg_has_role(current_user, g.oid, 'member')) AS replicate,
    has_database_privilege(current_database(), 'CREATE') AS create,
    current_setting('max_slot_wal_keep_size') AS keep,
    (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder,
    current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots) AS slots,
    current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication) AS senders
  FROM pg_roles r WHERE r.rolname = current_user`

async function factsOf(client: pg.Client): Promise<Facts> {
  const { rows } = await client.query<{ [column: string]: string }>(factsSql)
  const row = rows[0]!
  return {
    ...{ user: row['user']!, version: Number(row['version']), walLevel: row['wal_level']!, keepSize: row['keep']! },
    ...{
      isSuperuser: row['superuser'] === 't',
      mayReplicate: row['replicate'] === 't',
      mayCreate: row['create'] === 't',
    },
    ...{ freeSlots: Number(row['slots']), freeSenders: Number(row['senders']) },
    freeDisk: isHere(client) ? await freeBytes(row['folder']) : undefined,
  }
}

const isHere = ({ host }: pg.Client): boolean => /^(localhost|127\..*|::1|\/.*)$/.test(host)

/** A server in a container has its folder elsewhere. */
async function freeBytes(folder: string | undefined): Promise<number | undefined> {
  if (folder == null) return undefined
  const found = await statfs(join(folder, 'pg_wal')).catch(() => undefined)
  return found === undefined ? undefined : found.bavail * found.bsize
}

async function tablesOf(client: pg.Client, source: CdcSource, captured: Captured): Promise<readonly FoundTable[]> {
  const found: FoundTable[] = []
  for (const table of source.tables) {
    const { schema, name } = parseTableName(table)
    const { rows } = await client.query<{ [column: string]: string }>(
      `SELECT c.relkind = 'p' AS partitioned, pg_has_role(c.relowner, 'USAGE') AS owned, ${accessSql},
         c.relreplident = 'f' OR EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND
           CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END) AS named
       FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relname = $2 AND c.relkind IN ('r', 'p')`,
      [schema, name],
    )
    const is = (column: string): boolean => rows[0]?.[column] === 't'
    found.push({
      ...{ table, exists: rows.length > 0, isPublished: captured.digests.has(table), isPartitioned: is('partitioned') },
      ...{ isOwned: is('owned'), hasIdentity: is('named') },
      access: accessOf((rows[0] ?? {}) as Parameters<typeof accessOf>[0]),
    })
  }
  return found
}

/**
 * Looks.
 *
 * @example const { findings, statements } = await inspect(client, source)
 */
export async function inspect(client: pg.Client, source: CdcSource): Promise<Inspection> {
  const facts = await factsOf(client)
  const captured = await capturedTables(client, source)
  const tables = await tablesOf(client, source, captured)
  const slot = await readSlot(client, source.slot)
  const open = slot === undefined ? await openTransactions(client) : []
  return {
    ...{ tables, captured, slot },
    findings: [
      ...serverFindings(facts, slot),
      publicationFinding(source, captured),
      diskFinding(source, facts),
      ...tables.flatMap((table) => tableFindings(table)),
      ...(slot === undefined ? [] : [slotFinding(slot)]),
      ...(open.length === 0 ? [] : [openFinding(open)]),
    ],
    statements: [
      ...serverStatements(facts),
      ...publicationStatements(source, facts, captured, tables),
      ...tableStatements(facts, tables),
    ],
  }
}

const finding = (
  name: string,
  isFine: boolean,
  detail: string,
  fix: string,
  level: 'warn' | 'fail' = 'fail',
): Finding => (isFine ? { name, status: 'ok', detail } : { name, status: level, detail, fix })

function serverFindings(facts: Facts, slot: SlotState | undefined): readonly Finding[] {
  const { version, walLevel, mayReplicate, user, freeSlots, freeSenders } = facts
  const restart = 'and start the server again'
  return [
    finding(
      'version',
      version >= 140_000,
      `PostgreSQL ${Math.floor(version / 10_000)}`,
      'Version 14 or later is needed.',
    ),
    finding(
      'wal_level',
      walLevel === 'logical',
      walLevel,
      `Set wal_level = logical (on RDS: rds.logical_replication = 1) ${restart}.`,
    ),
    finding(
      'rights',
      mayReplicate,
      mayReplicate ? `${user} may replicate` : `${user} may not replicate`,
      'Grant the attribute REPLICATION (on RDS: the role rds_replication).',
    ),
    // A slot that is there needs no room.
    ...(slot === undefined
      ? [
          finding(
            'max_replication_slots',
            freeSlots > 0,
            `${freeSlots} free`,
            `Raise max_replication_slots ${restart}.`,
          ),
        ]
      : []),
    finding('max_wal_senders', freeSenders > 1, `${freeSenders} free`, `Raise max_wal_senders ${restart}.`),
  ]
}

/** What an unread slot may fill: as much as the server lets it, or all of its disk. */
function diskFinding({ lag: { alertBytes } }: CdcSource, { keepSize, freeDisk }: Facts): Finding {
  const isLimited = keepSize !== '-1'
  const free = freeDisk === undefined ? [] : [`${mib(freeDisk)} free`]
  const limit = isLimited ? `slots keep at most ${keepSize}` : 'slots keep as much as is not read'
  const limited = `ALTER SYSTEM SET max_slot_wal_keep_size = '${Math.ceil((2 * alertBytes) / 2 ** 20)}MB'; SELECT pg_reload_conf()`
  return finding(
    'disk',
    freeDisk === undefined ? isLimited : freeDisk > 2 * alertBytes,
    [...free, `${limit} (max_slot_wal_keep_size)`].join('; '),
    isLimited
      ? `Make room for twice lag.alertBytes (${mib(2 * alertBytes)}), or lower that.`
      : `A slot that nobody reads fills the disk, and the server stops. Limit it: ${limited} (on RDS: in the parameter group). Beyond that the slot is lost, and sluice cdc resnapshot finds what is missing.`,
    'warn',
  )
}

function publicationFinding({ publication }: CdcSource, { misfits, beside }: Captured): Finding {
  const name = `publication ${publication}`
  const more = beside.length > 3 ? `, and ${beside.length - 3} more` : ''
  const idle = beside.length === 0 ? '' : `, and for nobody: ${beside.slice(0, 3).join(', ')}${more}`
  return misfits.length === 0
    ? { name, status: 'ok', detail: `publishes what is captured${idle}` }
    : { name, status: 'fail', detail: misfits.join('; '), fix: 'Run the statements of: sluice cdc setup' }
}

function tableFindings({ table, exists, access, hasIdentity }: FoundTable): readonly Finding[] {
  if (!exists)
    return [{ name: table, status: 'fail', detail: 'it is not there', fix: 'Correct `tables` of the source.' }]
  const wrong = [
    ...(access.schema ? [] : ['this user has not USAGE of its schema']),
    ...(access.rows ? [] : ['this user has not SELECT of it']),
    ...(access.isFiltered ? ['row-level security hides rows of it from this user'] : []),
    ...(hasIdentity ? [] : ['it has no primary key and no other replica identity']),
  ]
  return wrong.length === 0
    ? []
    : [{ name: table, status: 'fail', detail: wrong.join('; '), fix: 'Run the statements of: sluice cdc setup' }]
}

/** A slot begins where all of them have ended. */
function openFinding(open: readonly string[]): Finding {
  const more = open.length > 5 ? `; and ${open.length - 5} more` : ''
  return {
    ...{ name: 'open transactions', status: 'warn', detail: `${open.slice(0, 5).join('; ')}${more}` },
    fix: 'The next run makes its slot, and waits for them to end: COMMIT, ROLLBACK, COMMIT PREPARED or ROLLBACK PREPARED.',
  }
}

function slotFinding(slot: SlotState): Finding {
  const name = `slot ${slot.slot}`
  const lost = slot.invalidation ?? (slot.walStatus === 'lost' ? 'the log that it needs is removed' : undefined)
  const fix = 'Find what is missing: sluice cdc resnapshot'
  if (lost !== undefined) return { name, status: 'fail', detail: `lost: ${lost}`, fix }
  const left = slot.safeBytes === undefined ? '' : `, and it is lost after ${mib(slot.safeBytes)} more`
  const detail = `${slot.walStatus}; the server keeps ${mib(slot.keptBytes)} of its log for it${left}`
  if (slot.walStatus === 'unreserved')
    return { name, status: 'warn', detail, fix: 'It is about to be lost: run now, and raise max_slot_wal_keep_size.' }
  return { name, status: 'ok', detail }
}

function serverStatements({ walLevel, mayReplicate, isSuperuser, user }: Facts): readonly Statement[] {
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

function publicationStatements(
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

function tableStatements({ user, isSuperuser }: Facts, tables: readonly FoundTable[]): readonly Statement[] {
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
 * @example const statements = dropStatements(source, await inspect(client, source))
 */
export function dropStatements(
  { slot, publication }: CdcSource,
  found: Pick<Inspection, 'slot' | 'captured'>,
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
    ...(found.captured.exists
      ? [
          {
            why: 'Nobody else reads it, if it was made for this',
            sql: `DROP PUBLICATION ${quoteIdentifier(publication)}`,
            allowed: found.captured.isOwned,
          },
        ]
      : []),
  ]
}
