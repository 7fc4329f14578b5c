/** `sluice explain` */
import { sluiceError } from '../../base/errors.ts'
import { retiredErrors } from '../../base/registry.ts'
import { suggest } from '../../definition/problems/suggest.ts'
import type { Run } from '../command.ts'
import { type ErrorPage, errorPages, exitMeanings } from '../error-pages.ts'
import { writeList } from '../render/rows.ts'

export const run: Run<'explain'> = async ({ terminal }, { error }) => {
  const pages = errorPages()
  if (error === undefined) {
    await writeList(terminal, [{ key: 'code' }, { key: 'name' }, { key: 'title' }], pages, (page) => ({ ...page }))
    return 0
  }
  const page = pageOf(error, pages)
  const { out } = terminal
  if (terminal.json) {
    await out.json(page)
    return 0
  }
  const facts: readonly (readonly [string, string | undefined])[] = [
    ['Name', page.name],
    ['Says', page.message],
    ['Next', page.hint],
    ['Retry', retryText(page)],
    ['Exit', `${page.exit}: ${exitMeanings[page.exit]}`],
  ]
  await out.line(`${out.paint('bold', `${page.code}  ${page.title}`)}\n`)
  for (const [name, text] of facts) if (text !== undefined) await out.line(`  ${name.padEnd(6)} ${text}`)
  if (page.explanation !== undefined) await out.line(`\n  ${page.explanation}`)
  return 0
}

/** What a retry is good for. */
export function retryText({ retry }: Pick<ErrorPage, 'retry'>): string {
  return retry === 'transient' ? 'doing the same again may succeed' : 'doing the same again fails again'
}

function pageOf(error: string, pages: readonly ErrorPage[]): ErrorPage {
  const wanted = error.toLowerCase().replace(/^(slu)?(\d{4})$/, 'slu$2')
  const isWanted = (code: string, name: string): boolean =>
    code.toLowerCase() === wanted || name.toLowerCase() === wanted
  const found = pages.find(({ code, name }) => isWanted(code, name))
  if (found !== undefined) return found
  for (const [code, { name, replacedBy }] of Object.entries(retiredErrors)) {
    const now = isWanted(code, name) ? pages.find((one) => one.name === replacedBy) : undefined
    if (now !== undefined)
      return { ...now, explanation: `Earlier versions called it ${name} (${code}). ${now.explanation ?? ''}`.trim() }
  }
  const suggestion = suggest(
    error,
    pages.flatMap(({ code, name }) => [name, code]),
  )
  const params = { what: 'error', name: error, known: [] }
  throw sluiceError('Cli.UnknownName', params, suggestion === undefined ? {} : { suggestion })
}
