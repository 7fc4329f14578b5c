/** `sluice catalog` */
import { type CatalogEntry, describeCatalog } from '../../query/catalog.ts'
import { resolveTable } from '../../query/tables.ts'
import type { Context, Run } from '../command.ts'
import { writeList } from '../render/rows.ts'
import { tableText } from '../render/table.ts'
import { bytes, count, visible } from '../render/text.ts'

export const run: Run<'catalog'> = async (context, { table }) => {
  const { terminal } = context
  await using project = await context.open()
  const entries = await describeCatalog(project)
  if (table !== undefined) {
    const { kind, name } = await resolveTable(project, table)
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
    from:
      entry.from.length > 2
        ? `${entry.from.slice(0, 2).join(', ')}, … ${entry.from.length - 2} more`
        : entry.from.join(', '),
  }))
  const made = entries.find((entry) => entry.version !== undefined)
  await terminal.next(made === undefined ? 'sluice run' : `sluice show ${shownName(made)}`)
  return 0
}

async function describeOne({ terminal }: Context, entry: CatalogEntry): Promise<void> {
  if (terminal.json || !terminal.out.tty) {
    await terminal.out.line(terminal.json ? JSON.stringify(entry, null, 2) : JSON.stringify(entry))
    return
  }
  const { out } = terminal
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Version', entry.version === undefined ? 'none yet' : String(entry.version)],
    ['Rows', entry.rows === undefined ? undefined : count(entry.rows)],
    ['Size', entry.bytes === undefined ? undefined : `${bytes(entry.bytes)} in ${count(entry.files ?? 0)} files`],
    ['Updated', entry.updatedAt],
    ['Run', entry.run],
    ['Made from', entry.from.length === 0 ? undefined : entry.from.join(', ')],
    ['Partitions', entry.partitions.length === 0 ? undefined : entry.partitions.join(', ')],
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

function shownName(entry: CatalogEntry): string {
  return entry.kind === 'warehouse' ? `warehouse.${entry.table}` : entry.table
}
