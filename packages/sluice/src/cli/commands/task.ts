/** `sluice task`: one task of a run, in a process of its own */
import { sluiceError } from '../../base/errors.ts'
import type { Payload } from '../../statemachine/types.ts'
import type { Run } from '../command.ts'

export const run: Run<'task'> = async (context, { payload }) => {
  const reference = parse(payload)
  await using project = await context.open()
  const answer = await project.task(reference, { signal: context.signal })
  await context.terminal.out.data(`${JSON.stringify(answer)}\n`)
  return 0
}

function parse(text: string): Payload {
  try {
    return JSON.parse(text) as Payload
  } catch {
    throw sluiceError('Cli.BadValue', { option: '<payload>', value: text, expected: 'JSON, as a state has it' })
  }
}
