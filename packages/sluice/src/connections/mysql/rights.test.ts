import { expect, test } from 'vitest'
import { grantFor } from './rights.ts'

const to = "TO 'reader'@'%';"
test.each([
  [
    "execute command denied to user 'reader'@'%' for routine 'erp.usp_x'",
    `GRANT EXECUTE ON PROCEDURE \`erp\`.\`usp_x\` ${to}`,
  ],
  ["SELECT command denied to user 'reader'@'%' for table `erp`.`orders`", `GRANT SELECT ON \`erp\`.\`orders\` ${to}`],
  ["SELECT command denied to user 'reader'@'%' for table 'orders'", `GRANT SELECT ON \`orders\` ${to}`],
  [
    "SELECT command denied to user 'reader'@'%' for column 'pay' in table 'staff'",
    `GRANT SELECT (\`pay\`) ON \`staff\` ${to}`,
  ],
  ["Access denied for user 'reader'@'%' to database 'erp'", `GRANT EXECUTE ON \`erp\`.* ${to}`],
  ['Access denied; you need (at least one of) the SUPER privilege(s) for this operation', undefined],
])('%s', (text, grant) => {
  expect(grantFor(text)).toBe(grant)
})
