/** `sluice render` */

import { sluiceError } from '../../base/errors.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import { projectIndex } from '../../definition/project-index.ts'
import type { Run } from '../command.ts'
import { visible, visibleLines } from '../render/text.ts'

export const run: Run<'render'> = async (context, { name }) => {
  const { out } = context.terminal
  await using project = await context.open()
  const index = projectIndex(project.definition)
  const model = name === undefined ? undefined : index.model(name)?.model
  if (model?.kind === 'sql') {
    if (context.terminal.json) await out.json({ table: name, sql: model.sql.trimEnd() })
    else await out.line(visibleLines(model.sql.trimEnd()))
    return 0
  }
  const { plan } = await project.plan()
  const machines = await project.stateMachines(plan)
  const machine = machines.find((candidate) => candidate.name === name)
  if (machine !== undefined) {
    await out.json(machine.definition)
    return 0
  }
  const known = [
    ...machines.map((candidate) => candidate.name),
    ...index.models.flatMap(({ table, model: { kind } }) => (kind === 'sql' ? [table] : [])),
  ]
  if (name === undefined) {
    if (context.terminal.json) await out.json(known)
    else for (const one of known) await out.line(visible(one))
    return 0
  }
  const suggestion = suggest(name, known)
  throw sluiceError(
    'Cli.UnknownName',
    { what: 'SQL model or state machine', name, known },
    suggestion === undefined ? {} : { suggestion },
  )
}
