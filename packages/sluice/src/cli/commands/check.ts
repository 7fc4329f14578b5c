/** `sluice check` */
import { isSluiceError, type Problem } from '../../base/errors.ts'
import type { Context, Run } from '../command.ts'
import { problemsText } from '../render/error.ts'

export const run: Run<'check'> = async (context, { strict }) => {
  const { terminal, root } = context
  const problems = await problemsOf(context)
  const failed = problems.some((problem) => problem.severity === 'error' || strict)
  if (terminal.json) await terminal.out.json({ ok: !failed, problems })
  else if (problems.length > 0) await terminal.out.write(problemsText(problems, { channel: terminal.out, root }))
  else await terminal.out.line(`${terminal.out.paint('green', '✔')} The definition has no problems.`)
  if (!failed) await terminal.next('sluice plan')
  return failed ? 2 : 0
}

/** A definition that cannot even be opened has problems like any other. */
async function problemsOf(context: Context): Promise<readonly Problem[]> {
  try {
    await using project = await context.open()
    return await project.check()
  } catch (error) {
    if (isSluiceError(error) && error.problems.length > 0) return error.problems
    throw error
  }
}
