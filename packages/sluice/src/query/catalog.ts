/** What tables there are, and what is known of each. */
import { projectIndex } from '../definition/project-index.ts'
import type { IcebergState } from '../lake/lake.ts'
import type { CommitRecord, Field, InputReference } from '../lake/record.ts'
import type { ReadContext } from '../run/api.ts'
import { definedTables } from './tables.ts'

/** One table of the lake or the warehouse. */
export interface CatalogEntry {
  readonly table: string
  readonly kind: 'lake' | 'warehouse'
  /** Nothing where it has been defined but never made. */
  readonly version?: number
  readonly rows?: number
  readonly bytes?: number
  readonly files?: number
  readonly columns?: readonly Field[]
  readonly updatedAt?: string
  readonly run?: string
  /** What it was made from, with versions. */
  readonly from: readonly string[]
  readonly partitions: readonly string[]
  readonly description?: string
  /** Where other engines find it as an Iceberg table, and how far that is. */
  readonly iceberg?: IcebergState
}

/**
 * Every table: those of the lake with their newest version, those of the warehouse with their newest load, those only defined without.
 *
 * @example const [first] = await describeCatalog(project)
 */
export async function describeCatalog(project: ReadContext): Promise<readonly CatalogEntry[]> {
  const records = new Map((await project.tables()).map((record) => [record.table, record]))
  const defined = definedTables(project.definition)
  const { options } = projectIndex(project.definition)
  const names = [...new Set([...defined.lake, ...records.keys()])]
  const lake = names.map(async (table): Promise<CatalogEntry> => {
    const record = records.get(table)
    const iceberg = record === undefined ? undefined : await project.iceberg(table)
    const { description } = options(table)
    return {
      table,
      kind: 'lake',
      ...(record === undefined ? { from: [], partitions: [] } : ofRecord(record)),
      ...(description === undefined ? {} : { description }),
      ...(iceberg === undefined ? {} : { iceberg }),
    }
  })
  return [...(await Promise.all(lake)), ...(await ofLoads(project, defined.warehouse))]
}

function ofRecord(record: CommitRecord): Omit<CatalogEntry, 'table' | 'kind'> {
  const partitions = record.files.flatMap(({ partition }) =>
    partition === undefined
      ? []
      : [
          Object.entries(partition)
            .map(([column, value]) => `${column}=${value}`)
            .join('/'),
        ],
  )
  return {
    version: record.version,
    rows: record.rows,
    bytes: record.bytes,
    files: record.files.length,
    columns: record.fields,
    updatedAt: record.committedAt,
    run: record.run,
    from: record.inputs.map(inputInWords),
    partitions: [...new Set(partitions)].sort(),
  }
}

/**
 * What a version was made from, in one line.
 *
 * @example inputInWords({ kind: 'table', table: 'raw.sales', version: 3 }) // 'raw.sales v3'
 */
export function inputInWords(input: InputReference): string {
  if (input.kind === 'table') return `${input.table} v${input.version}`
  if (input.kind === 'changes') return `${input.connection}: ${input.slot} to ${input.to}`
  return input.kind === 'call' ? `${input.connection}: ${input.procedure}` : input.path
}

async function ofLoads(project: ReadContext, targets: readonly string[]): Promise<readonly CatalogEntry[]> {
  if (targets.length === 0) return []
  const ledger = await project.loads()
  return targets.map((target) => {
    const newest = ledger.filter((row) => row.target === target).sort((a, b) => (a.loadedAt < b.loadedAt ? 1 : -1))[0]
    const load = projectIndex(project.definition).load(target)?.load
    const from =
      load === undefined ? [] : [`${load.from}${newest === undefined ? '' : ` v${newest.version}`} (${load.mode})`]
    return {
      table: target,
      kind: 'warehouse',
      ...(newest === undefined
        ? {}
        : { version: newest.version, rows: newest.result.total, updatedAt: newest.loadedAt, run: newest.run }),
      from,
      partitions: [],
      ...(load?.description === undefined ? {} : { description: load.description }),
    }
  })
}
