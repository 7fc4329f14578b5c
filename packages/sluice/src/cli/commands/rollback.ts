/** `sluice rollback` */
import { sluiceError } from '../../base/errors.ts'
import { openReads, owner } from '../../query/reads.ts'
import type { Run } from '../command.ts'
import { plural } from '../render/text.ts'

export const run: Run<'rollback'> = async (context, { table, version }) => {
  const { terminal } = context
  if (!/^[1-9]\d{0,9}$/.test(version)) {
    throw sluiceError('Cli.BadValue', { option: '<version>', value: version, expected: 'a version counts from 1' })
  }
  await using project = await context.open()
  const reads = openReads(project, owner())
  const { kind, name } = await reads.table(table)
  if (kind === 'warehouse') {
    throw sluiceError('Cli.BadValue', {
      option: '<table>',
      value: table,
      expected: 'only tables of the lake have versions',
    })
  }
  const known = (await reads.versions(name)).map((record) => record.version).reverse()
  if (!known.includes(Number(version))) {
    throw sluiceError('Query.UnknownVersion', { table: name, version: Number(version), known })
  }
  if (!(await context.confirm(`Make version ${version} of ${name} the current one?`))) {
    await terminal.note('Nothing was changed.')
    return 0
  }
  const record = await project.rollback(name, Number(version))
  if (terminal.json) await terminal.out.json(record)
  else
    await terminal.out.line(
      `${name} is at version ${record.version}: the ${plural(record.rows, 'row')} of version ${version}.`,
    )
  await terminal.next('sluice run  (makes and loads again what depends on it)')
  return 0
}
