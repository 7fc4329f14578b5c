/** `sluice plan` */
import { explainPlan } from '../../plan/explain.ts'
import type { Run } from '../command.ts'
import { problemsText } from '../render/error.ts'
import { visible, visibleLines } from '../render/text.ts'
import { stateLines } from '../state-reference.ts'

export const run: Run<'plan'> = async (context, input) => {
  const { terminal, root } = context
  const { select, exclude, approve, force, parameter } = input
  await using project = await context.open()
  const result = await project.plan({ select, exclude, approve, force, parameters: parameter })
  const { plan, problems } = result
  if (terminal.json) await terminal.out.json(result)
  else {
    if (problems.length > 0) await terminal.err.write(problemsText(problems, { channel: terminal.err, root }))
    for (const line of explainPlan({ plan }, { verbose: context.globals.debug }))
      await terminal.out.line(visibleLines(line))
    // Most of a run is its tasks; what it does beside them is in the text of its machine.
    if (context.globals.debug)
      for (const line of stateLines(await project.stateMachines(plan))) await terminal.out.line(visible(line))
  }
  if (problems.some((problem) => problem.severity === 'error')) return 2
  const waiting = plan.tasks.filter((task) => task.reason === 'needs-approval')
  const work = plan.tasks.some((task) => task.action === 'run')
  if (waiting.length > 0) await terminal.next(`sluice run --approve ${waiting.map((task) => task.table).join(',')}`)
  else await terminal.next(work ? 'sluice run' : 'nothing to run; sluice query "…" looks at what is there')
  return input['exit-code'] && (work || waiting.length > 0) ? 4 : 0
}
