/** `sluice check` */
import { isSluiceError, type Problem, problem } from '../../base/errors.ts'
import { capturedLogs } from '../../definition/cdc/cdc.ts'
import type { OpenProject } from '../../run/api.ts'
import type { Context, Run } from '../command.ts'
import { problemsText } from '../render/error.ts'

export const run: Run<'check'> = async (context, { strict, servers }) => {
  const { terminal, root } = context
  const { inDefinition, onServers } = await problemsOf(context, servers)
  const problems = [...inDefinition, ...onServers]
  const isFailure = ({ severity }: Problem): boolean => severity === 'error' || strict
  if (terminal.json) await terminal.out.json({ ok: !problems.some(isFailure), problems })
  else if (problems.length > 0) await terminal.out.write(problemsText(problems, { channel: terminal.out, root }))
  else await terminal.out.line(`${terminal.out.paint('green', '✔')} The definition has no problems.`)
  if (inDefinition.some(isFailure)) return 2
  if (onServers.some(isFailure)) return 3
  await terminal.next('sluice plan')
  return 0
}

interface Found {
  readonly inDefinition: readonly Problem[]
  readonly onServers: readonly Problem[]
}

/** A definition that cannot even be opened has problems like any other. */
async function problemsOf(context: Context, servers: boolean): Promise<Found> {
  try {
    await using project = await context.openWithProblems()
    const inDefinition = await project.check()
    return { inDefinition, onServers: servers ? await serverProblems(context, project) : [] }
  } catch (error) {
    if (isSluiceError(error) && error.problems.length > 0) return { inDefinition: error.problems, onServers: [] }
    throw error
  }
}

/** What a run would be stopped by on the servers whose changes are captured. */
async function serverProblems({ signal }: Context, project: OpenProject): Promise<readonly Problem[]> {
  const problems: Problem[] = []
  for (const { log, file } of capturedLogs(project.definition)) {
    const { findings } = await (await project.cdc(log)).status({ signal })
    for (const { name, status, detail } of findings) {
      if (status === 'ok') continue
      const severity = status === 'fail' ? ('error' as const) : ('warning' as const)
      const params = { table: log, what: name, detail: detail.replace(/\.$/, '') }
      problems.push(problem('Source.ServerUnfit', params, { at: { file }, severity }))
    }
  }
  return problems
}
