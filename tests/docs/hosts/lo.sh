# A machine without any interface but lo.
