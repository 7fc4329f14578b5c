/** `sluice catalog` */
import { sluiceError } from '../../base/errors.ts'
import { type CatalogEntry, openReads, owner } from '../../query/reads.ts'
import type { Context, Run } from '../command.ts'
import { writeList } from '../render/rows.ts'
import { tableText } from '../render/table.ts'
import { bytes, count, plural, visible } from '../render/text.ts'

export const run: Run<'catalog'> = async (context, { action, table }) => {
  const { terminal } = context
  if (action === 'sync') return sync(context, table)
  if (table !== undefined)
    throw sluiceError('Cli.BadValue', { option: '<action>', value: action ?? '', expected: 'sync, or one table alone' })
  await using project = await context.openToRead()
  const reads = openReads(project, owner())
  const entries = await reads.catalog()
  if (action !== undefined) {
    const { kind, name } = await reads.table(action)
    await describeOne(context, entries.find((entry) => entry.table === name && entry.kind === kind)!)
    return 0
  }
  const number = { align: 'right' } as const
  const columns = [
    { key: 'table' },
    { key: 'version', ...number },
    { key: 'rows', ...number },
    { key: 'size', ...number },
    { key: 'updated' },
    { key: 'from' },
  ]
  await writeList(terminal, columns, entries, (entry) => ({
    table: shownName(entry),
    version: entry.version ?? '-',
    rows: entry.rows === undefined ? '-' : count(entry.rows),
    size: entry.bytes === undefined ? '' : bytes(entry.bytes),
    updated: entry.updatedAt ?? 'never',
    from: some(entry.from, 2),
  }))
  const made = entries.find((entry) => entry.version !== undefined)
  await terminal.next(made === undefined ? 'sluice run' : `sluice show ${shownName(made)}`)
  return 0
}

async function sync(context: Context, table: string | undefined): Promise<number> {
  const { terminal } = context
  await using project = await context.open()
  const name = table === undefined ? undefined : (await openReads(project, owner()).table(table)).name
  const synced = await project.syncCatalog(name)
  await writeList(
    terminal,
    [{ key: 'table' }, { key: 'status' }, { key: 'address' }],
    synced,
    ({ table, status, why, address }) => ({ table, status: why === undefined ? status : `${status}: ${why}`, address }),
  )
  return 0
}

async function describeOne({ terminal }: Context, entry: CatalogEntry): Promise<void> {
  if (terminal.json || !terminal.out.tty) {
    if (terminal.json) await terminal.out.json(entry)
    else await terminal.out.data(`${JSON.stringify(entry)}\n`)
    return
  }
  const { out } = terminal
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Version', entry.version === undefined ? 'none yet' : String(entry.version)],
    ['Rows', entry.rows === undefined ? undefined : count(entry.rows)],
    ['Size', entry.bytes === undefined ? undefined : `${bytes(entry.bytes)} in ${plural(entry.files ?? 0, 'file')}`],
    ['Updated', entry.updatedAt],
    ['Run', entry.run],
    ['Made from', entry.from.length === 0 ? undefined : some(entry.from, 5)],
    ['Partitions', entry.partitions.length === 0 ? undefined : some(entry.partitions, 5)],
    ['Iceberg', icebergText(entry.iceberg)],
    ['Is', entry.description],
  ]
  await out.line(out.paint('bold', visible(shownName(entry))))
  for (const [name, value] of facts) if (value !== undefined) await out.line(`  ${name.padEnd(10)} ${visible(value)}`)
  if (entry.columns !== undefined) {
    const columns = [{ key: 'id', align: 'right' as const }, { key: 'column' }, { key: 'type' }, { key: 'nullable' }]
    const rows = entry.columns.map((field) => ({
      id: field.id,
      column: field.name,
      type: field.type,
      nullable: field.nullable ? 'yes' : 'no',
    }))
    await out.write(`\n${tableText(columns, rows, out)}`)
  }
  await terminal.next(`sluice show ${shownName(entry)}`)
}

function icebergText(iceberg: CatalogEntry['iceberg']): string | undefined {
  if (iceberg === undefined || iceberg.status === 'current') return iceberg?.address
  return `${iceberg.status}: ${iceberg.why ?? ''}`
}

function shownName(entry: CatalogEntry): string {
  return entry.kind === 'warehouse' ? `warehouse.${entry.table}` : entry.table
}

function some(names: readonly string[], most: number): string {
  const rest = names.length - most
  return rest > 0 ? `${names.slice(0, most).join(', ')}, and ${count(rest)} more` : names.join(', ')
}
