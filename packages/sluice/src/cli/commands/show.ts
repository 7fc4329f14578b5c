/** `sluice show` */
import { openReads, owner, type Reads, type TableVersion } from '../../query/reads.ts'
import type { Context, Run } from '../command.ts'
import { defaultFormat, oneBatch, type RowFormat, writeList, writeRows } from '../render/rows.ts'
import { bytes, count, plural } from '../render/text.ts'

export const run: Run<'show'> = async (context, { table, limit, version, versions, format }) => {
  const { terminal } = context
  await using project = await context.openToRead()
  const reads = openReads(project, owner())
  if (versions) {
    await listVersions(context, reads, table, format)
    return 0
  }
  const { kind, name } = await reads.table(table)
  const result = await reads.preview(table, {
    limit,
    signal: context.signal,
    ...(version === undefined ? {} : { version }),
  })
  await writeRows(
    { columns: result.columns, batches: oneBatch(result.rows) },
    format ?? defaultFormat(terminal),
    terminal.out,
  )
  const iceberg = kind === 'lake' && version === undefined ? await reads.iceberg(name) : undefined
  if (iceberg?.status === 'current')
    await terminal.note(`Other engines read it as an Iceberg table: ${iceberg.address}`)
  if (result.truncated) await terminal.note(`Only the first ${plural(result.rows.length, 'row')}; --limit gives more.`)
  return 0
}

async function listVersions(
  { terminal }: Context,
  reads: Reads,
  table: string,
  format: RowFormat | undefined,
): Promise<void> {
  const { name } = await reads.table(table)
  const newestFirst = await reads.versions(name)
  const number = { align: 'right' } as const
  const columns = [
    { key: 'version', ...number },
    { key: 'committed' },
    { key: 'operation' },
    { key: 'rows', ...number },
    { key: 'size', ...number },
    { key: 'run' },
  ]
  const row = (record: TableVersion) => ({
    version: record.version,
    committed: record.committedAt,
    operation: record.rollbackOf === undefined ? record.operation : `rollback to ${record.rollbackOf}`,
    rows: record.rows,
    size: record.bytes,
    run: record.run,
  })
  if (format !== undefined && format !== 'table') {
    const named = columns.map(({ key }) => ({ name: key, type: 'VARCHAR' }))
    await writeRows({ columns: named, batches: oneBatch(newestFirst.map(row)) }, format, terminal.out)
    return
  }
  await writeList(terminal, columns, newestFirst, (record) => ({
    ...row(record),
    rows: count(record.rows),
    size: bytes(record.bytes),
  }))
  const earlier = newestFirst[1]
  if (earlier !== undefined) await terminal.next(`sluice show ${name} --version ${earlier.version}`)
}
