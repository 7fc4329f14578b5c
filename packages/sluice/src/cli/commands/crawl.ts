/** `sluice crawl` */
import type { Run } from '../command.ts'
import { tableText } from '../render/table.ts'
import { bytes, plural, visible, visibleLines } from '../render/text.ts'

export const run: Run<'crawl'> = async (context, { path }) => {
  const { terminal } = context
  await using project = await context.open()
  const proposal = await project.crawl(path)
  if (terminal.json) {
    await terminal.out.json(proposal)
    return 0
  }
  const { err, out } = terminal
  for (const file of proposal.files) {
    await terminal.note(`${visible(file.path)}  ${bytes(file.bytes)}  ${plural(file.rows, 'row')}`)
  }
  const columns = [{ key: 'column' }, { key: 'type' }, { key: 'nullable' }, { key: 'note' }]
  const rows = proposal.columns.map((c) => ({
    column: c.name,
    type: c.type,
    nullable: c.nullable ? 'yes' : 'no',
    note: c.note ?? '',
  }))
  if (!terminal.quiet) await err.write(`\n${tableText(columns, rows, err)}\n`)
  if (proposal.against !== undefined) {
    await terminal.note(
      `Against ${visible(proposal.against)}: ${proposal.diff.length === 0 ? 'no difference' : plural(proposal.diff.length, 'difference')}`,
    )
    const changes = proposal.diff.map((d) => ({
      class: d.class,
      column: d.column,
      change: d.change,
      from: d.from ?? '',
      to: d.to ?? '',
    }))
    const titles = [{ key: 'class' }, { key: 'column' }, { key: 'change' }, { key: 'from' }, { key: 'to' }]
    if (changes.length > 0 && !terminal.quiet) await err.write(`${tableText(titles, changes, err)}\n`)
  }
  // The definition alone is data: `sluice crawl 'inbox/*.csv' > source.ts`.
  await out.line(visibleLines(proposal.definition))
  await terminal.next('review it, put it into pipeline.ts, then  sluice check')
  return 0
}
