/** `sluice quality` */
import { openReads, owner } from '../../query/reads.ts'
import type { Run } from '../command.ts'
import { writeList } from '../render/rows.ts'
import { count } from '../render/text.ts'

export const run: Run<'quality'> = async (context, { table }) => {
  const { terminal } = context
  await using project = await context.openToRead()
  const checks = await openReads(project, owner()).quality(table)
  if (checks.length === 0) await terminal.note('No check has a result yet.')
  const number = { align: 'right' } as const
  const columns = [
    { key: 'status' },
    { key: 'table' },
    { key: 'version', ...number },
    { key: 'check' },
    { key: 'failing', ...number },
    { key: 'total', ...number },
    { key: 'detail' },
  ]
  const looks = { passed: 'green', warned: 'yellow', refused: 'yellow', failed: 'red' } as const
  await writeList(terminal, columns, checks, (check) => ({
    status: { passed: '✔ passed', warned: '! warned', refused: '! refused', failed: '✖ failed' }[check.status],
    table: check.table,
    version: check.version,
    check: check.name,
    failing: count(check.failing),
    total: count(check.total),
    detail: check.detail ?? '',
  }))
  const worst = checks[0]
  if (worst !== undefined && terminal.out.tty && !terminal.json) {
    const of = (status: keyof typeof looks): string =>
      terminal.err.paint(looks[status], `${count(checks.filter((c) => c.status === status).length)} ${status}`)
    await terminal.note(`${of('passed')}, ${of('warned')}, ${of('refused')}, ${of('failed')}`)
  }
  if (worst !== undefined && worst.status !== 'passed') await terminal.next(`sluice show ${worst.table}`)
  return checks.some((check) => check.status === 'failed') ? 1 : 0
}
