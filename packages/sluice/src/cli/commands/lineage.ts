/** `sluice lineage` */
import { openReads, owner } from '../../query/reads.ts'
import type { Run } from '../command.ts'
import { mermaidText, treeLines } from '../render/lineage.ts'

export const run: Run<'lineage'> = async (context, { name, up, down, format }) => {
  const { terminal } = context
  await using project = await context.openToRead()
  const found = await openReads(project, owner()).lineage(name)
  const both = up === down
  const lineage = { ...found, up: both || up ? found.up : [], down: both || down ? found.down : [] }
  if (terminal.json || format === 'json') await terminal.out.json(lineage)
  else if (format === 'mermaid') await terminal.out.write(mermaidText(lineage))
  else await terminal.out.write(`${treeLines(lineage, terminal.out.paint).join('\n')}\n`)
  return 0
}
